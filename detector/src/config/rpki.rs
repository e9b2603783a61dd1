//! Where do VRPs and ASPAs come from, and when are they believed? Table `[rpki]`.

use std::path::PathBuf;

use super::reader::Section;

/// The JSON that the rpki-client project publishes for everybody.
pub const PUBLIC_VRPS_URL: &str = "https://console.rpki-client.org/vrps.json";
/// Caches that are followed at once: each holds a whole set, about 50 MB of today's RPKI.
const MOST_CACHES: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpki {
    pub files: Vec<PathBuf>,
    pub aspas: Vec<PathBuf>,
    /// Caches in the order of preference, `host:port`.
    pub rtr: Vec<String>,
    /// JSON of a validator.
    pub url: Option<String>,
    pub slurm: Option<PathBuf>,
    /// How often files and URL are read again.
    pub refresh_secs: u64,
    /// Files and URL that gave nothing good for so long are not evaluated any more; caches say so themselves.
    pub expire_secs: u64,
    /// A larger part of the VRPs or ASPAs that is gone at once is no change but an accident.
    pub collapse_percent: u64,
    /// How long it is taken for one.
    pub freeze_secs: u64,
}

impl Default for Rpki {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            aspas: Vec::new(),
            rtr: Vec::new(),
            url: None,
            slurm: None,
            refresh_secs: 600,
            expire_secs: 86_400,
            collapse_percent: 10,
            freeze_secs: 21_600,
        }
    }
}

impl Rpki {
    /// What holds where nobody said anything.
    pub fn public() -> Self {
        Self { url: Some(PUBLIC_VRPS_URL.to_owned()), ..Self::default() }
    }
}

/// A table that is there names all there is; without one, the public VRPs are used.
pub fn read(root: &mut Section<'_>) -> Rpki {
    if !root.has("rpki") {
        return Rpki::public();
    }
    let mut section = root.section("rpki");
    let default = Rpki::default();
    let rpki = Rpki {
        files: section.paths("files"),
        aspas: section.paths("aspas"),
        rtr: section.list("rtr", "a list of caches such as [\"127.0.0.1:3323\"]", cache),
        url: section.text("url", "a URL such as https://console.rpki-client.org/vrps.json").filter(|u| !u.is_empty()),
        slurm: section.path("slurm"),
        refresh_secs: section.integer("refresh_secs", 10..=86_400).unwrap_or(default.refresh_secs),
        expire_secs: section.integer("expire_secs", 600..=604_800).unwrap_or(default.expire_secs),
        collapse_percent: section.integer("collapse_percent", 1..=100).unwrap_or(default.collapse_percent),
        freeze_secs: section.integer("freeze_secs", 0..=2_592_000).unwrap_or(default.freeze_secs),
    };
    if rpki.rtr.len() > MOST_CACHES {
        section.problem("rtr", &format!("{} caches; {MOST_CACHES} are the most", rpki.rtr.len()));
    }
    if rpki.url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        section.problem("url", "expected a URL that begins with http:// or https://");
    }
    if let Some(path) = &rpki.slurm
        && let Err(error) = feeds::slurm::read_file(&path.display().to_string())
    {
        section.problem("slurm", &error.to_string());
    }
    section.finish();
    rpki
}

/// `host:port`, an IPv6 address in brackets.
fn cache(text: &str) -> Result<String, String> {
    let problem = || format!("\"{text}\" is not host:port such as 127.0.0.1:3323 or [2001:db8::1]:323");
    let (host, port) = text.rsplit_once(':').ok_or_else(problem)?;
    let is_host = !host.is_empty() && (!host.contains(':') || (host.starts_with('[') && host.ends_with(']')));
    match port.parse::<u16>() {
        Ok(port) if port > 0 && is_host => Ok(text.to_owned()),
        _ => Err(problem()),
    }
}
