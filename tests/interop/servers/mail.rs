//! aiosmtpd, which keeps what it gets in a Maildir.

use std::path::{Path, PathBuf};

use super::certificates;
use crate::harness::parts::{Part, program};
use crate::harness::process::Process;
use crate::harness::{free_port, listens, until};

pub const PARTS: [Part; 4] = [
    Part::Command("/usr/bin/python3"),
    Part::Command("/usr/lib/python3/dist-packages/aiosmtpd"),
    Part::Command("setpriv"),
    Part::Command("openssl"),
];

pub struct MailServer {
    pub port: u16,
    kept: PathBuf,
    _process: Process,
}

/// What matters of a mail.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub id: String,
    pub subject: String,
    pub references: String,
    pub body: String,
}

impl MailServer {
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[]).await
    }

    /// It takes nothing before STARTTLS; its certificate is signed by `ca.pem` of the folder.
    pub async fn start_with_tls(folder: &Path) -> Self {
        certificates::write(folder);
        Self::start_with(folder, &["--tlscert", "server.crt", "--tlskey", "server.key"]).await
    }

    async fn start_with(folder: &Path, options: &[&str]) -> Self {
        let (port, kept) = (free_port(), folder.join("mails"));
        let args = [
            "-m".to_owned(),
            "aiosmtpd".to_owned(),
            "--nosetuid".to_owned(),
            "--listen".to_owned(),
            format!("127.0.0.1:{port}"),
            "--class".to_owned(),
            "aiosmtpd.handlers.Mailbox".to_owned(),
        ];
        let args = args.into_iter().chain(options.iter().map(|option| (*option).to_owned()));
        let args = args.chain([kept.display().to_string()]);
        let mut process = Process::start("aiosmtpd", folder, &program(PARTS[0]), args);
        until("the mail server listens", 20, async || {
            process.assert_alive();
            listens(port)
        })
        .await;
        Self { port, kept, _process: process }
    }

    /// In the order in which they came.
    pub fn mails_to(&self, name: &str) -> Vec<Mail> {
        let mut files: Vec<_> = std::fs::read_dir(self.kept.join("new"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        files.sort_by_key(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok());
        let texts = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
        let address = format!("{name}@example.net");
        texts.map(|text| mail(&text)).filter(|mail| mail.to.contains(&address)).collect()
    }
}

fn mail(text: &str) -> Mail {
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    // A long header goes on in lines that begin with a blank (RFC 5322 §2.2.3).
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let (to, id, subject) = (header("To"), header("Message-ID"), header("Subject"));
    Mail { to, id, subject, references: header("References"), body: body.replace("=\n", "") }
}
