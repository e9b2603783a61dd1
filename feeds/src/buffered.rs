//! Are there enough octets of a stream to go on?

use bytes::BytesMut;

use crate::counts::kind;
use crate::source::{self, Stream};

/// A stream, and what of it was read and not taken yet.
pub(crate) struct Buffered {
    stream: Option<Stream>,
    pub buffer: BytesMut,
    chunk: Box<[u8]>,
    failed: Option<&'static str>,
}

impl Buffered {
    /// Asks the stream for `chunk` octets at once.
    pub fn new(stream: Stream, chunk: usize) -> Self {
        Self { stream: Some(stream), buffer: BytesMut::new(), chunk: vec![0; chunk].into(), failed: None }
    }

    /// True once `n` octets are in the buffer.
    pub fn has(&mut self, n: usize) -> bool {
        while self.buffer.len() < n {
            let Some(stream) = &mut self.stream else { return false };
            match stream.read(&mut self.chunk) {
                Ok(0) => self.stream = None,
                Ok(read) => self.buffer.extend_from_slice(&self.chunk[..read]),
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
        let cut = (!self.buffer.is_empty()).then_some(kind::TRUNCATED);
        self.close();
        self.failed.take().or(cut)
    }

    /// Leaves the rest unread.
    pub fn close(&mut self) {
        self.buffer.clear();
        self.stream = None;
    }
}
