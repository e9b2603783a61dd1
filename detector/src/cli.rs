//! What may be said on the command line?

use std::path::PathBuf;

use clap::builder::styling::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};
use rules::bgp::{Asn, Timestamp};

/// Real-time detector of BGP hijacks and route leaks.
#[derive(Debug, Parser)]
#[command(name = "bgpwarden", version, styles = Styles::plain(), max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the feeds and report: the service
    Run(Run),
    /// Judge recorded input: alerts as NDJSON on stdout, progress and summary on stderr
    Replay(Replay),
    /// Judge one route and show every step
    Explain(Explain),
    /// Look into a past event, message by message: confirmed, refuted or inconclusive, with what would have stopped it
    Investigate(Investigate),
    /// Write a commented watch file: from what tables, ROAs and ASPAs show of an AS, or from a list
    Init(Init),
    /// Say what a configuration means, or what is wrong with it and where
    Check(Check),
    /// Send a test message through the routes of a configuration and print what the receivers answered
    Notify(Notify),
    /// Print the JSON Schema of an alert
    Schema,
    /// Write the history of all incidents to stdout, or take one in
    #[command(subcommand)]
    History(History),
    /// A self-contained live run on loopback: feed, detection, alerts, web page
    Demo(Demo),
    /// Print what makes a shell complete these commands
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page of bgpwarden, or of one of its commands
    Man {
        /// As in: run, or: history export [default: bgpwarden itself]
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum History {
    /// Every alert as it was sent, one a line, to stdout; also while the service runs
    Export {
        /// Behind the alerts, also who held which route of an incident
        #[arg(long)]
        routes: bool,
        /// Configuration that names the store
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Take in what `export` wrote; what is there already stays as it is. The service must not run
    Import {
        /// Configuration that names the store
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// File, or - for stdin
        #[arg(value_name = "FILE")]
        input: PathBuf,
    },
}

#[derive(Debug, Default, Args)]
pub struct Run {
    /// Configuration; without one: RIS Live, web page on loopback, alerts on stdout
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Watch every prefix that this AS originates; may be repeated
    #[arg(long, value_name = "N")]
    pub asn: Vec<Asn>,
    /// Write everything that can change a verdict to FILE, for `replay`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Configuration; without one: what bgpwarden does by default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// RIB dump that shows who sees the watched prefixes; may be repeated
    #[arg(long, value_name = "INPUT")]
    pub rib: Vec<String>,
    /// VRPs as JSON or CSV; may be repeated [default: the files of the configuration]
    #[arg(long, value_name = "FILE")]
    pub vrps: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Notify {
    /// Say that a test is meant
    #[arg(long, required = true)]
    pub test: bool,
    /// Configuration that names the routes
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only this one [default: each]
    #[arg(value_name = "ROUTE")]
    pub route: Option<String>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// AS whose prefixes are looked up; may be repeated
    #[arg(long, value_name = "N", conflicts_with_all = ["csv", "bgpalerter"])]
    pub asn: Vec<Asn>,
    /// List with the columns name, asn, prefix, contact, tlp
    #[arg(long, value_name = "FILE", conflicts_with = "bgpalerter")]
    pub csv: Option<PathBuf>,
    /// prefixes.yml of BGPalerter
    #[arg(long, value_name = "FILE")]
    pub bgpalerter: Option<PathBuf>,
    /// RIB dump: what the AS originates, and who stands next to it; may be repeated
    #[arg(long, value_name = "INPUT")]
    pub rib: Vec<String>,
    /// VRPs as JSON or CSV: what it may originate, and how long; may be repeated
    #[arg(long, value_name = "FILE")]
    pub vrps: Vec<PathBuf>,
    /// ASPAs as JSON: its providers; may be repeated
    #[arg(long, value_name = "FILE")]
    pub aspas: Vec<PathBuf>,
    /// Write to FILE, which must not exist, instead of stdout
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Replay {
    /// Configuration: watched networks and alert settings; its feeds and sinks are not used
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// RIB dump that seeds the baseline; may be repeated
    #[arg(long, value_name = "INPUT")]
    pub rib: Vec<String>,
    /// VRPs as JSON or CSV, true for the whole replay; may be repeated
    #[arg(long, value_name = "FILE")]
    pub vrps: Vec<PathBuf>,
    /// ASPAs as JSON, true for the whole replay; may be repeated
    #[arg(long, value_name = "FILE")]
    pub aspas: Vec<PathBuf>,
    /// Business relations: CAIDA serial-1, serial-2 or ProbLink
    #[arg(long, value_name = "FILE")]
    pub relations: Option<PathBuf>,
    /// Sibling ASes: as2org
    #[arg(long, value_name = "FILE")]
    pub siblings: Option<PathBuf>,
    /// Leave out what was seen before TIME (RFC 3339 or seconds since 1970)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Stop at TIME
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Timestamp>,
    /// Threads that judge; the alerts do not depend on it [default: 0, one per core, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    pub shards: Option<u16>,
    /// Form of the alerts on stdout
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    pub format: Format,
    /// Only the last alert of each incident
    #[arg(long = "final")]
    pub only_final: bool,
    /// One line per incident, prefix and vantage point, with path and times, uncapped
    #[arg(long, value_name = "FILE")]
    pub routes: Option<PathBuf>,
    /// Counts of what was read and found, as JSON
    #[arg(long, value_name = "FILE")]
    pub stats: Option<PathBuf>,
    /// MRT updates or RIS Live JSON lines; plain, .gz or .bz2; path, URL or - (stdin); COLLECTOR=PATH names the collector
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Ndjson,
    Text,
}

#[derive(Debug, Args)]
#[command(after_help = INVESTIGATE)]
pub struct Investigate {
    /// What it is about: a prefix, an AS, or the id of an incident in the store; with --event the first INPUT
    #[arg(value_name = "PREFIX|ASN|INCIDENT", required_unless_present = "event")]
    pub what: Option<String>,
    /// Facts of an event as GRIP or Cloudflare Radar give them, as JSON
    #[arg(long, value_name = "FILE")]
    pub event: Option<PathBuf>,
    /// Configuration: watched networks, alert settings, and the store of an incident
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look from TIME on (RFC 3339 or seconds since 1970) [default: all that was read, or a while before the event]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// Look up to TIME
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<Timestamp>,
    /// RIB dump of before the event: who held what; may be repeated
    #[arg(long, value_name = "INPUT")]
    pub rib: Vec<String>,
    /// Fetch the dump before the window and the updates up to its end of this collector of RIS or RouteViews; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "rib")]
    pub collector: Vec<String>,
    /// Fetch them from here [default: where RIS and RouteViews publish them]
    #[arg(long, value_name = "URL", requires = "collector")]
    pub archive: Option<String>,
    /// VRPs of that day as JSON or CSV; may be repeated
    #[arg(long, value_name = "FILE")]
    pub vrps: Vec<PathBuf>,
    /// ASPAs of that day as JSON; may be repeated
    #[arg(long, value_name = "FILE")]
    pub aspas: Vec<PathBuf>,
    /// Business relations of that day: CAIDA serial-1, serial-2 or ProbLink
    #[arg(long, value_name = "FILE")]
    pub relations: Option<PathBuf>,
    /// Sibling ASes: as2org
    #[arg(long, value_name = "FILE")]
    pub siblings: Option<PathBuf>,
    /// Threads that judge; the report does not depend on it [default: 0, one per core, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    pub shards: Option<u16>,
    /// Form of the report on stdout
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Write the report as one page with its plots, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write it as Markdown, too
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write all of it as JSON, too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// MRT updates or RIS Live JSON lines as `replay` reads them, but not stdin: they are read twice
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,
}

/// What `investigate --help` says at its end.
const INVESTIGATE: &str = "\
A verdict is *inconclusive* where the data have gaps: no RIB dump, missing updates, sessions down, few peers.
What VRPs, ASPAs and relations would say is *not evaluated* without them; give those of the day of the event.
    bgpwarden investigate 192.0.2.0/24 --rib rib.gz --vrps vrps.json --html report.html updates.*.gz
    bgpwarden investigate AS64511 --collector rrc00 --from 2026-03-01T03:00:00Z --to 2026-03-01T05:00:00Z
    bgpwarden investigate --event grip.json --rib rib.gz updates.*.gz
Exit status: 0 whatever the verdict is, 1 if there is none.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Text,
    Json,
    #[value(alias = "md")]
    Markdown,
    Html,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// VRPs as JSON or CSV; may be repeated
    #[arg(long, value_name = "FILE")]
    pub vrps: Vec<PathBuf>,
    /// ASPAs as JSON; may be repeated
    #[arg(long, value_name = "FILE")]
    pub aspas: Vec<PathBuf>,
    /// Business relations: CAIDA serial-1, serial-2 or ProbLink
    #[arg(long, value_name = "FILE")]
    pub relations: Option<PathBuf>,
    /// Sibling ASes: as2org
    #[arg(long, value_name = "FILE")]
    pub siblings: Option<PathBuf>,
    /// Which ASPA procedure: the route came from a provider (downstream), or from a customer or peer (upstream)
    #[arg(long, value_enum, default_value_t = Role::Downstream)]
    pub role: Role,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The announced prefix
    pub prefix: String,
    /// The AS path, nearest AS first, origin last; an AS_SET as '{64500,64501}' or [64500,64501]
    #[arg(value_name = "ASN", required = true)]
    pub path: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    Downstream,
    Upstream,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Seconds of the story per second of the clock
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Do not open the web page
    #[arg(long)]
    pub no_browser: bool,
    /// Stop by itself
    #[arg(long, value_name = "SECS")]
    pub exit_after: Option<u64>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write it as 2026-03-01T03:04:05Z or as seconds since 1970".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.01..=10_000.0).contains(&speed) => Ok(speed),
        _ => Err("write a number between 0.01 and 10000".to_owned()),
    }
}

/// What a bare `bgpwarden` says.
pub const WELCOME: &str = "\
bgpwarden watches the Internet's routing in real time and says, with evidence, who announces what they should not.

See it work on a made-up Internet, on this machine only:
    bgpwarden demo
Watch what an AS originates, with the public feed of RIPE RIS:
    bgpwarden run --asn 64496
Write down what is expected of it, as a draft:
    bgpwarden init --asn 64496 --rib rib.gz --vrps vrps.json
Judge a recording:
    bgpwarden replay --rib rib.gz updates.gz
Look into a past event:
    bgpwarden investigate 192.0.2.0/24 --rib rib.gz updates.gz
All commands:
    bgpwarden --help
";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_call_is_no_error() {
        assert!(Cli::try_parse_from(["bgpwarden"]).expect("accepted").command.is_none());
    }

    #[test]
    fn impossible_arguments_name_the_culprit() {
        for (line, culprit) in [
            ("bgpwarden replay", "INPUT"),
            ("bgpwarden replay --shards 65 x", "--shards"),
            ("bgpwarden replay --from yesterday x", "yesterday"),
            ("bgpwarden run --asn 4294967296", "4294967296"),
            ("bgpwarden demo --speed nan", "nan"),
            ("bgpwarden explain 192.0.2.0/24", "ASN"),
            ("bgpwarden rnu", "rnu"),
            ("bgpwarden history import", "FILE"),
            ("bgpwarden investigate", "PREFIX|ASN|INCIDENT"),
            ("bgpwarden investigate 1 --archive http://a", "--collector"),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert!(error.to_string().contains(culprit), "{line}: {error}");
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn every_flag_of_replay_is_read() {
        let line = "bgpwarden replay --config c --rib r1 --rib r2 --vrps v --aspas a --relations l --siblings s --from 1 \
                    --to 2026-03-01T00:00:00Z --shards 8 --format text --final --routes o --stats t rrc00=u1 -";
        let Some(Command::Replay(replay)) = Cli::try_parse_from(line.split_whitespace()).expect("accepted").command
        else {
            panic!("not replay");
        };
        assert_eq!(replay.rib, ["r1", "r2"]);
        assert_eq!(replay.inputs, ["rrc00=u1", "-"]);
        assert_eq!(replay.from, Some(Timestamp::from_secs(1)));
        assert!(replay.only_final && replay.format == Format::Text);
    }
}
