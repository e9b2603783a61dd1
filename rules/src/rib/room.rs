//! How do the large vectors of the table grow?

/// Up to so many octets a vector is copied when it grows; what is larger is moved by its pages.
const COPIED: usize = 16 << 20;

/// Doubling would leave half of a large table empty; steps that are too small would copy a small one again and again.
pub(in crate::rib) fn make_room<T>(vec: &mut Vec<T>, more: usize) {
    if vec.capacity() - vec.len() < more {
        let share = if size_of_val(vec.as_slice()) < COPIED { 4 } else { 16 };
        vec.reserve_exact(more.max(vec.len() / share).max(64));
    }
}
