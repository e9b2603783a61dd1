//! Are there enough octets of a stream to go on?

use crate::counts::kind;
use crate::source::{self, Stream};

/// A stream, and what of it was read and not taken yet.
pub(crate) struct Buffered {
    stream: Option<Stream>,
    /// What was read and not taken stands from `from` to `to`; what is before it makes room for more.
    octets: Vec<u8>,
    from: usize,
    to: usize,
    chunk: usize,
    failed: Option<&'static str>,
}

impl Buffered {
    /// Asks the stream for `chunk` octets at once.
    pub fn new(stream: Stream, chunk: usize) -> Self {
        Self { stream: Some(stream), octets: vec![0; chunk], from: 0, to: 0, chunk, failed: None }
    }

    /// What was read and not taken yet.
    pub fn octets(&self) -> &[u8] {
        &self.octets[self.from..self.to]
    }

    /// Takes the first `n` of them; no more than there are.
    pub fn advance(&mut self, n: usize) {
        self.from += n;
        debug_assert!(self.from <= self.to);
    }

    /// True once `n` octets are there.
    pub fn has(&mut self, n: usize) -> bool {
        self.to - self.from >= n || self.fill(n)
    }

    fn fill(&mut self, n: usize) -> bool {
        while self.to - self.from < n {
            let Some(stream) = &mut self.stream else { return false };
            // No more is moved than was taken before, so that moving costs no more than reading, whatever is asked.
            if self.from >= self.to - self.from {
                self.octets.copy_within(self.from..self.to, 0);
                (self.from, self.to) = (0, self.to - self.from);
            }
            self.octets.resize(self.to + self.chunk, 0);
            match stream.read(&mut self.octets[self.to..]) {
                Ok(0) => self.stream = None,
                Ok(read) => self.to += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(source::failure(&error));
                    self.stream = None;
                }
            }
        }
        true
    }

    /// Nothing more is taken. One error at most for an input that ends where it should not.
    pub fn end(&mut self) -> Option<&'static str> {
        let cut = (self.from < self.to).then_some(kind::TRUNCATED);
        self.close();
        self.failed.take().or(cut)
    }

    /// Drops what was read and not taken.
    pub fn clear(&mut self) {
        (self.from, self.to) = (0, 0);
    }

    /// Leaves the rest unread.
    pub fn close(&mut self) {
        self.clear();
        self.stream = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The slow twin is the whole of the octets with a place in them.
        #[test]
        fn a_window_shows_what_the_stream_has(
            octets in prop::collection::vec(any::<u8>(), 0..600),
            chunk in 1_usize..50,
            steps in prop::collection::vec((0_usize..120, 0_usize..120), 0..60),
        ) {
            let mut window = Buffered::new(Box::new(std::io::Cursor::new(octets.clone())), chunk);
            let mut at = 0;
            for (wanted, taken) in steps {
                let rest = &octets[at..];
                prop_assert_eq!(window.has(wanted), rest.len() >= wanted);
                let seen = window.octets();
                prop_assert!(rest.starts_with(seen) && seen.len() >= wanted.min(rest.len()));
                prop_assert!(window.octets.len() <= 2 * (120 + chunk) + chunk);
                let taken = taken.min(seen.len());
                window.advance(taken);
                at += taken;
            }
            let is_cut = !window.octets().is_empty();
            prop_assert_eq!(window.end(), is_cut.then_some(kind::TRUNCATED));
        }
    }
}
