//! How do the large vectors of the table grow?

/// Doubling would leave half of a large table empty.
pub(in crate::rib) fn make_room<T>(vec: &mut Vec<T>, more: usize) {
    if vec.capacity() - vec.len() < more {
        vec.reserve_exact(more.max(vec.len() / 16).max(64));
    }
}
