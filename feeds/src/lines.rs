//! Which lines are in this stream?

use std::io::{BufRead, BufReader, Read};

use crate::counts::kind;
use crate::source::{self, Stream};

/// Lines of a bounded length.
pub(crate) struct Lines {
    reader: Option<BufReader<Stream>>,
    line: Vec<u8>,
    most: u64,
}

impl Lines {
    /// Lines of more than `most` octets are left out.
    pub fn new(stream: Stream, most: u64) -> Self {
        Self { reader: Some(BufReader::with_capacity(64 << 10, stream)), line: Vec::new(), most }
    }

    /// The next line that is not blank, without its end; or the word for what stands in its place.
    pub fn next(&mut self) -> Option<Result<&[u8], &'static str>> {
        loop {
            let reader = self.reader.as_mut()?;
            self.line.clear();
            match reader.by_ref().take(self.most + 1).read_until(b'\n', &mut self.line) {
                Ok(0) => self.reader = None,
                Ok(read) if read as u64 > self.most && self.line.last() != Some(&b'\n') => {
                    if reader.skip_until(b'\n').is_err() {
                        self.reader = None;
                    }
                    return Some(Err(kind::TOO_LONG));
                }
                Ok(_) if self.line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(self.line.trim_ascii())),
                Err(error) => {
                    self.reader = None;
                    return Some(Err(source::failure(&error)));
                }
            }
        }
    }
}
