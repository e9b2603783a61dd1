//! How may an address be told in messages and on pages?

/// A URL without what may be secret in it: user, password and query. Anything else, such as a path, stays as it is.
pub fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], "?…"),
        None => (rest, ""),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}{query}")
}

/// An error of a request with its causes, since "error sending request" alone helps nobody; without the URL.
pub fn request_error(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(below) = cause {
        text = format!("{text}: {below}");
        cause = below.source();
    }
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_password_and_query_are_left_out_and_all_else_stays() {
        for (given, shown) in [
            ("https://user:hunter2@a.example.net:8443/b/c.gz", "https://a.example.net:8443/b/c.gz"),
            ("https://us@er:hunter2@a.example.net", "https://a.example.net"),
            ("https://a.example.net/b?token=hunter2#x", "https://a.example.net/b?…"),
            ("https://a.example.net?token=hunter2/@x", "https://a.example.net?…"),
            ("rrc00=http://user:hunter2@[2001:db8::1]/b@c", "rrc00=http://[2001:db8::1]/b@c"),
            ("/data/a@b?c.gz", "/data/a@b?c.gz"),
            ("-", "-"),
        ] {
            assert_eq!(without_secrets(given), shown, "{given}");
        }
    }
}
