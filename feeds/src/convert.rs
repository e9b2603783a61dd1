//! What does this BGP message say in the words of `rules`?
