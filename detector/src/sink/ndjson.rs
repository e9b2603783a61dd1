//! How does an alert become a line of a file or of stdout?

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use rules::limits;

use super::outbox::Outbox;
use super::status::{FailureReason, SinkStatus};
use super::{Parcel, pause_after};
use crate::config::NdjsonTarget;
use crate::failure::Failure;
use crate::terminal;

/// Opens the target, so that a path that cannot be written to is told at the start.
pub fn open(target: &NdjsonTarget) -> Result<Box<dyn Write + Send>, Failure> {
    match target {
        NdjsonTarget::Stdout => Ok(terminal::stdout()),
        NdjsonTarget::File(path) => Ok(Box::new(append_to(path)?)),
    }
}

fn append_to(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().append(true).read(true).create(true).open(path).and_then(|mut file| {
        mend(&mut file)?;
        Ok(file)
    });
    opened.map_err(|error| Failure::failed(format!("cannot write alerts to \"{}\": {error}", path.display())))
}

/// A process that was killed may have left half a line: its alert was not acknowledged and comes again, so the half
/// goes. A line that is only not ended is ended.
fn mend(file: &mut File) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    let length = file.seek(SeekFrom::End(0))?;
    // The longest alert, the end of the line before it, and one more to tell an even longer line by.
    let longest = limits::ALERT_BYTES as u64 + 2;
    let from = length.saturating_sub(longest);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(longest).read_to_end(&mut end)?;
    let line = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let torn = &end[line..];
    let is_ours = line > 0 || from == 0;
    match torn.is_empty() {
        true => Ok(()),
        false if is_ours && torn.starts_with(b"{") && serde_json::from_slice::<serde_json::Value>(torn).is_err() => {
            file.set_len(from + line as u64)
        }
        false => file.write_all(b"\n"),
    }
}

/// Writes one line per delivery until the outbox is closed and empty. What cannot be written is tried again,
/// from the byte where it stopped; only a reader that has gone away ends it early.
pub async fn run(
    name: Arc<str>,
    mut writer: Box<dyn Write + Send>,
    outbox: Arc<Outbox>,
    status: Arc<SinkStatus>,
) -> Result<(), Failure> {
    while let Some((ticket, parcel)) = outbox.take().await {
        let line = match parcel {
            Parcel::Alert(delivery) => Arc::new(format!("{}\n", delivery.json)),
            Parcel::Notice(_, notice) => Arc::new(notice.to_json() + "\n"),
            // Lines once written stay.
            Parcel::Forget(_) => {
                outbox.ack(ticket);
                continue;
            }
        };
        let mut written = 0;
        let mut failures = 0;
        loop {
            let (back, now_written, outcome) = write_from(writer, line.clone(), written).await?;
            failures = if now_written > written { 0 } else { failures };
            (writer, written) = (back, now_written);
            let Err(error) = outcome else { break };
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Err(Failure::failed(format!("sink {name}: the reader of the alerts has gone away")));
            }
            if status.failed(FailureReason::Write, error.to_string()) {
                tracing::warn!(sink = %name, %error, "cannot write an alert; trying again until it works");
            }
            failures += 1;
            tokio::time::sleep(pause_after(failures)).await;
        }
        status.succeeded();
        outbox.ack(ticket);
    }
    Ok(())
}

type Written = (Box<dyn Write + Send>, usize, io::Result<()>);

/// Writes what is left of a line; says how far it got.
async fn write_from(mut writer: Box<dyn Write + Send>, line: Arc<String>, from: usize) -> Result<Written, Failure> {
    let writing = tokio::task::spawn_blocking(move || {
        let mut written = from;
        let outcome = loop {
            if written == line.len() {
                break writer.flush();
            }
            match writer.write(&line.as_bytes()[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        (writer, written, outcome)
    });
    writing.await.map_err(|error| Failure::failed(format!("the writer of alerts stopped: {error}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rules::alert::Alert;
    use rules::bgp::Timestamp;

    use super::*;
    use crate::alert::samples::opened;
    use crate::notice::{Notice, NoticeKind, NoticeState};
    use crate::sink::Delivery;

    /// Takes three bytes at a time and fails every other call.
    struct Unreliable {
        out: Arc<Mutex<Vec<u8>>>,
        calls: usize,
    }

    impl Write for Unreliable {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(8) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let n = bytes.len().min(3);
            self.out.lock().expect("a lock").extend(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn filled(count: u32) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::default());
        for sequence in 1..=count {
            let json = format!("{{\"sequence\":{sequence}}}");
            outbox.push(Parcel::Alert(Delivery::new(&Alert { sequence, ..opened() }, json.into()))).await;
        }
        outbox.close();
        outbox
    }

    #[tokio::test]
    async fn a_full_disk_loses_and_repeats_nothing() {
        let out = Arc::new(Mutex::new(Vec::new()));
        let writer = Box::new(Unreliable { out: out.clone(), calls: 0 });
        let status = Arc::new(SinkStatus::default());
        run("file".into(), writer, filled(3).await, status.clone()).await.expect("done");
        let text = String::from_utf8(out.lock().expect("a lock").clone()).expect("text");
        assert_eq!(text, "{\"sequence\":1}\n{\"sequence\":2}\n{\"sequence\":3}\n");
        assert!(status.failures(FailureReason::Write) > 0);
        assert_eq!(status.delivered(), 3);
    }

    #[tokio::test]
    async fn a_notice_is_a_line_and_a_tombstone_is_none() {
        let out = Arc::new(Mutex::new(Vec::new()));
        let writer = Box::new(Unreliable { out: out.clone(), calls: 0 });
        let (kind, state, subject) = (NoticeKind::FeedGap, NoticeState::Raised, "ris".to_owned());
        let notice = Notice { time: Timestamp::from_secs(1), kind, state, subject, detail: "closed".to_owned() };
        let outbox = Arc::new(Outbox::default());
        outbox.push(Parcel::Forget("bw-a".into())).await;
        outbox.push(Parcel::notice(notice.clone())).await;
        outbox.close();
        run("file".into(), writer, outbox, Arc::default()).await.expect("done");
        let text = String::from_utf8(out.lock().expect("a lock").clone()).expect("text");
        assert_eq!(text, notice.to_json() + "\n");
    }

    #[tokio::test]
    async fn a_file_is_appended_to() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let target = NdjsonTarget::File(file.path().to_owned());
        for _ in 0..2 {
            run("f".into(), open(&target).expect("open"), filled(1).await, Arc::default()).await.expect("done");
        }
        assert_eq!(std::fs::read_to_string(file.path()).expect("text"), "{\"sequence\":1}\n".repeat(2));
    }

    #[tokio::test]
    async fn a_line_torn_by_a_kill_goes_and_one_that_is_only_not_ended_stays() {
        for (left, expected) in [
            ("{\"sequence\":7}\n{\"sequ", "{\"sequence\":7}\n{\"sequence\":1}\n"),
            ("{\"sequence\":7}\n{\"sequence\":8}", "{\"sequence\":7}\n{\"sequence\":8}\n{\"sequence\":1}\n"),
            ("{\"se", "{\"sequence\":1}\n"),
            ("my notes", "my notes\n{\"sequence\":1}\n"),
            ("", "{\"sequence\":1}\n"),
        ] {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), left).expect("written");
            let target = NdjsonTarget::File(file.path().to_owned());
            run("f".into(), open(&target).expect("open"), filled(1).await, Arc::default()).await.expect("done");
            assert_eq!(std::fs::read_to_string(file.path()).expect("text"), expected, "{left:?}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_written_to_is_named() {
        let target = NdjsonTarget::File("/nonexistent/alerts.ndjson".into());
        let Err(failure) = open(&target) else { panic!("opened") };
        assert!(failure.to_string().contains("/nonexistent/alerts.ndjson"));
    }
}
