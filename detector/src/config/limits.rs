//! `[limits]`: how much may be taken of the machine?

use rules::limits::PROCESS_BYTES;

use super::reader::Section;

/// What the process may take. Without a budget nothing is ever shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Octets of memory, as they are estimated from what is held.
    pub memory: Option<u64>,
}

const EXPECTED: &str = "a size such as \"8GiB\" or \"512MiB\", or \"none\"";
/// The first that leaves nothing over is shown; the last is the end of all others.
const UNITS: [(&str, u64); 6] =
    [("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("B", 1)];

pub(super) fn read(mut section: Section<'_>) -> Limits {
    let memory = match section.text("memory", EXPECTED).as_deref() {
        None | Some("none") => None,
        Some(text) => match size(text) {
            Some(octets) if octets > PROCESS_BYTES => Some(octets),
            Some(_) => {
                let least = shown(PROCESS_BYTES);
                section.problem("memory", &format!("is too small: without any route the process takes {least}"));
                None
            }
            None => {
                section.problem("memory", &format!("expected {EXPECTED}"));
                None
            }
        },
    };
    section.finish();
    Limits { memory }
}

fn size(text: &str) -> Option<u64> {
    let (number, unit) = UNITS.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, *unit)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

/// In a unit that leaves nothing over, so that it is read back as it was.
pub fn shown(octets: u64) -> String {
    let fits = |(_, unit): &&(&str, u64)| octets > 0 && octets.is_multiple_of(*unit);
    let (word, unit) = UNITS.iter().find(fits).copied().unwrap_or(("B", 1));
    format!("{}{word}", octets / unit)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn memory(text: &str) -> Result<Option<u64>, Vec<String>> {
        Config::parse("c", &format!("[limits]\nmemory = {text}"), Path::new("")).map(|config| config.limits.memory)
    }

    #[test]
    fn a_size_has_a_unit_and_is_shown_as_it_is_read() {
        for (text, octets) in
            [("8GiB", 8 << 30), ("512MiB", 512 << 20), ("700000 KiB", 700_000 << 10), ("2GB", 2_000_000_000)]
        {
            assert_eq!(memory(&format!("\"{text}\"")), Ok(Some(octets)), "{text}");
            let limits = Limits { memory: Some(octets) };
            let said = Config { limits, ..Config::default() }.to_string();
            assert!(said.contains(&format!("[limits]\nmemory = \"{}\"", shown(octets))), "{said}");
            assert_eq!(Config::parse("c", &said, Path::new("")).expect("fine").limits, limits);
        }
        assert_eq!(memory("\"none\""), Ok(None));
        assert!(Config::default().to_string().contains("# memory: no budget, so nothing is shed"));
    }

    #[test]
    fn what_is_no_size_or_leaves_no_room_for_a_route_is_said() {
        for (text, what) in [
            ("\"eight\"", "such as \"8GiB\""),
            ("8589934592", "such as \"8GiB\""),
            ("\"-1GiB\"", "such as \"8GiB\""),
            ("\"99999999999999GiB\"", "such as \"8GiB\""),
            ("\"1MiB\"", "without any route"),
        ] {
            let problems = memory(text).expect_err("a problem");
            assert!(
                problems.len() == 1 && problems[0].contains(what) && problems[0].contains("limits.memory"),
                "{problems:?}"
            );
        }
        let problems = Config::parse("c", "[limits]\nmemmory = \"8GiB\"", Path::new("")).expect_err("a problem");
        assert!(problems[0].contains("did you mean \"memory\"?"), "{problems:?}");
    }
}
