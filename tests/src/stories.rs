//! (b) Real incidents as stories of their facts, and (c) what looks like one and is none.
//!
//! What a story demands comes from what happened. One that the program does not tell yet has a line `-- miss: REASON`: it stays
//! in the table and is not counted as met.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rules::desk::Settings;
use rules::testing::run_lives;
use rules::testing::scenario::Scenario;

use crate::table::{Floor, Table};

/// Stories of incidents that are told as their facts demand; the rest need classes and rules that are not built.
const INCIDENTS_MET: usize = 49;
/// Stories of incidents that happened with other details: another family, fewer peers, prepends, short dumps.
const VARIANTS_MET: usize = 27;
/// Stories of look-alikes that are kept as low as they are: all of them.
const LOOK_ALIKES_MET: usize = 61;
/// Look-alikes of which every story is met; 24 is all of them.
const LOOK_ALIKES_WHOLE: usize = 24;

enum Outcome {
    Met,
    Missed { reason: String },
    Failed { difference: String },
}

struct Story {
    name: String,
    outcome: Outcome,
    /// Marked as missed, and told all the same.
    is_mended: bool,
}

pub fn measure(table: &mut Table) {
    let incidents = tell(table, "(b) incidents by their facts", "incidents");
    let met = incidents.iter().filter(|s| matches!(s.outcome, Outcome::Met)).count();
    table.check(
        "(b) stories of incidents told as their facts demand",
        met,
        incidents.len(),
        Floor::Count(INCIDENTS_MET),
    );
    let look_alikes = tell(table, "(c) look-alikes", "look_alikes");
    let met = look_alikes.iter().filter(|s| matches!(s.outcome, Outcome::Met)).count();
    table.check("(c) stories of look-alikes kept low", met, look_alikes.len(), Floor::Count(LOOK_ALIKES_MET));
    let kinds: BTreeSet<&str> = look_alikes.iter().map(kind).collect();
    let is_whole = |k: &&&str| look_alikes.iter().filter(|s| kind(s) == **k).all(|s| matches!(s.outcome, Outcome::Met));
    let whole = kinds.iter().filter(is_whole).count();
    table.check("(c) look-alikes met in each of their stories", whole, kinds.len(), Floor::Count(LOOK_ALIKES_WHOLE));
    let variants = tell(table, "(b) the same with other details", "variants");
    let met = variants.iter().filter(|s| matches!(s.outcome, Outcome::Met)).count();
    table.check("(b) variants told as their facts demand", met, variants.len(), Floor::Count(VARIANTS_MET));
    let all = incidents.iter().chain(&look_alikes).chain(&variants);
    let failed = all.clone().filter(|s| matches!(s.outcome, Outcome::Failed { .. })).count();
    table.check("(b) (c) stories that fail without a reason on record", failed, all.count(), Floor::AtMost(0));
}

/// `n07` of `n07_a_set_as_origin`.
fn kind(story: &Story) -> &str {
    story.name.split('_').next().unwrap_or_default()
}

fn tell(table: &Table, title: &str, folder: &str) -> Vec<Story> {
    table.title(title);
    let stories: Vec<Story> = files(folder).iter().map(|file| story(file)).collect();
    for story in &stories {
        match &story.outcome {
            Outcome::Met if story.is_mended => {
                table.line(format!("met   {}  (no miss any more: take the line out)", story.name))
            }
            Outcome::Met => table.line(format!("met   {}", story.name)),
            Outcome::Missed { reason } => table.line(format!("MISS  {}\n        {reason}", story.name)),
            Outcome::Failed { difference } => table.line(format!("FAIL  {}\n{difference}", story.name)),
        }
    }
    stories
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "scn"));
    files.sort();
    files
}

fn story(file: &Path) -> Story {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let scenario: Scenario = text.parse().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let reason = text.lines().find_map(|l| l.trim().strip_prefix("-- miss: ")).map(str::to_owned);
    let difference = scenario.difference(&run_lives(&scenario.lives, Settings::default(), 1).alerts);
    let is_mended = difference.is_none() && reason.is_some();
    let outcome = match (difference, reason) {
        (None, _) => Outcome::Met,
        (Some(_), Some(reason)) => Outcome::Missed { reason },
        (Some(difference), None) => Outcome::Failed { difference },
    };
    let name = file.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Story { name, outcome, is_mended }
}
