//! Routing stories, one file each in `scenarios/`; the name of the file is the sentence that is tested.
//! The format is described in `rules::testing::scenario`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rules::bgp::{Nlris, VantageId};
use rules::desk::Settings;
use rules::event::Event;
use rules::testing::scenario::Scenario;
use rules::testing::{run_lives, run_lives_forgetting};

/// Lives through the story with one shard and with three, and with a desk that forgets eagerly; compares what was said with
/// what it says.
fn check(name: &str) {
    let path = folder().join(format!("{name}.scn"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let scenario: Scenario = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    for shards in [1, 3] {
        let alerts = run_lives(&scenario.lives, Settings::default(), shards).alerts;
        if let Some(difference) = scenario.difference(&alerts) {
            panic!("{name} with {shards} shards\n{difference}");
        }
    }
    let alerts = run_lives_forgetting(&scenario.lives, Settings::default()).alerts;
    if let Some(difference) = scenario.difference(&alerts) {
        panic!("{name} with a desk that forgets eagerly\n{difference}");
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

macro_rules! stories {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        const STORIES: &[&str] = &[$(stringify!($name)),*];
    };
}

stories! {
    a_bogon_behind_a_neighbor_that_only_another_shard_knows
    a_default_route_escapes
    a_foreign_roa_makes_ones_own_route_invalid
    a_forged_origin_behind_a_denied_neighbor
    a_hijack_ended_while_not_watching
    a_hijack_goes_on_across_a_restart
    a_hijack_of_three_hours_stays_open_to_its_end
    a_leak_between_two_providers_proven_by_aspa
    a_leak_between_two_providers_proven_by_relations
    a_leak_marked_only_to_customer
    a_leak_of_the_own_prefix_of_a_provider
    a_link_that_carries_routes_of_both_ends_is_one
    a_lost_session_is_no_end
    a_missing_digit_in_a_prefix
    a_new_half_that_all_reach_over_a_stranger
    a_new_upstream_is_low
    a_part_is_withdrawn_under_its_aggregate
    a_path_made_up_behind_an_edge_network
    a_private_as_is_left_in_the_path
    a_repeat_count_taken_for_an_as
    a_reset_session_that_sends_its_table_again_is_no_news
    a_resolved_incident_is_reopened_after_a_restart
    a_restart_interrupts_the_hold_down
    a_restart_without_a_dump_hears_the_withdrawal
    a_rival_that_stays_when_the_holder_is_back_is_a_hijack
    a_roa_of_the_holder_makes_a_hijack_graver
    a_roa_takes_the_alarm_back
    a_rule_takes_an_alarm_back_and_its_end_brings_it_again
    a_roa_of_a_watched_network_is_about_to_end
    a_second_victim_joins_the_open_story
    a_session_that_is_not_believed_is_not_after_a_restart_either
    a_session_that_is_shed_proves_no_end
    a_session_that_misreads_add_path_accuses_nobody
    a_session_that_never_stays_up_is_no_witness_until_it_does
    a_session_that_returns_with_the_route_goes_on_with_the_story
    a_sibling_is_only_mentioned
    a_stranger_announces_half_of_a_network
    a_stranger_announces_the_network_of_another
    a_stranger_that_some_sessions_do_not_follow_is_graver_once_they_rest
    a_watched_as_announces_what_it_never_did
    a_watched_as_hears_of_what_it_signed_and_never_announced
    a_watched_network_comes_over_a_link_somebody_vouches_for
    a_watched_network_fades_by_and_by
    a_watched_network_goes_dark
    a_watched_network_hears_at_once_and_is_confirmed_later
    a_watched_origin_is_forged_while_nothing_is_known_yet
    a_watched_network_is_not_lost_with_the_sessions_that_are_shed
    a_watched_network_that_is_announced_in_parts_is_not_lost
    a_wrong_digit_in_an_as_number
    after_thirty_days_it_is_normal_and_stays_so
    an_aggregate_over_the_networks_of_others
    an_allowed_announcement_is_told_when_its_rule_is_over
    an_aspa_that_is_published_opens_a_leak_and_one_that_is_mended_takes_it_back
    an_edge_network_before_a_larger_one_is_no_everyday_upstream
    an_everyday_carrier_of_a_watched_network_is_no_forger
    an_open_incident_becomes_one_of_a_watched_network_and_is_none_again
    an_optimizer_behind_one_session_is_taken_back_from_who_watches
    an_outage_goes_on_across_resets_and_a_restart
    back_within_the_hour_is_the_same_incident
    cantv_leaks_between_two_providers_proven_by_aspa
    cantv_leaks_between_two_providers_proven_by_relations
    expired_vrps_are_not_evaluated_and_no_verdict_flips
    fifty_more_specifics_of_ones_own_are_an_internal_leak
    fifty_parts_of_a_watched_network_are_one_leak
    lawful_changes_are_silent
    one_address_is_hijacked_while_its_network_is_leaked
    ones_own_part_is_longer_than_the_roa_allows
    ones_own_roas_that_harm_nobody_are_silent
    only_the_path_over_the_scrubber_is_allowed
    pakistan_telecom_announces_youtube
    quad101_for_three_and_a_half_minutes
    shorter_than_the_hold_down_is_told_once_it_is_over
    space_closed_by_an_as0_roa_stays_squatted_while_the_roa_cannot_be_read
    space_under_an_as0_roa_is_squatted
    special_space_and_numbers_are_bogons
    the_aspa_of_a_watched_network_lacks_its_provider
    the_aspa_of_a_watched_network_makes_no_sense
    the_most_specific_watched_resource_names_the_upstreams
    twenty_victims_within_minutes_are_a_reorigination
    watched_networks_that_lie_in_each_other_answer_for_themselves
    watched_space_that_nobody_used_is_announced
    what_is_gone_after_a_restart_did_not_become_normal
    what_is_new_of_a_network_and_expected_is_silent
    what_is_no_outage_is_silent
    what_stands_after_a_restart_becomes_normal_once
    what_stood_in_the_dump_is_history
    what_stood_in_the_dump_is_told_where_somebody_said_who_is_right
    what_was_told_to_be_new_is_not_told_again_after_a_restart
    an_origin_that_one_peer_had_before_displaces_the_signed_one
    without_a_dump_only_a_turn_to_invalid_is_news
}

#[test]
fn every_story_is_told() {
    let files = std::fs::read_dir(folder()).expect("the folder of stories");
    let names = files.map(|f| f.expect("a file").path()).filter(|p| p.extension().is_some_and(|e| e == "scn"));
    let names: BTreeSet<String> = names.filter_map(|p| Some(p.file_stem()?.to_string_lossy().into_owned())).collect();
    assert_eq!(names, STORIES.iter().map(|s| (*s).to_owned()).collect());
}

/// Whether they are told as their facts demand is measured by `accuracy`; here, that nobody's count of shards matters.
#[test]
fn stories_of_incidents_and_look_alikes_are_told_alike_by_one_shard_and_by_three() {
    for folder in ["incidents", "look_alikes"].map(|name| folder().join(name)) {
        for entry in std::fs::read_dir(&folder).expect("the folder of stories") {
            let path = entry.expect("a file").path();
            if path.extension().is_none_or(|e| e != "scn") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let scenario: Scenario = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let [one, three] = [1, 3].map(|shards| run_lives(&scenario.lives, Settings::default(), shards).alerts);
            assert_eq!(one, three, "{}", path.display());
            let forgetting = run_lives_forgetting(&scenario.lives, Settings::default()).alerts;
            assert_eq!(one, forgetting, "{}", path.display());
        }
    }
}

/// A session may withdraw and announce in one message (RFC 4271 section 4.3); a story tells one after the other.
#[test]
fn a_network_is_replaced_by_its_halves_in_one_message() {
    let path = folder().join("variants/a_network_taken_back_before_its_halves_come.scn");
    let text = std::fs::read_to_string(&path).expect("the story is there");
    let mut scenario: Scenario = text.parse().expect("a story");
    let mut withdrawn: BTreeMap<VantageId, Nlris> = BTreeMap::new();
    let mut merged = 0;
    scenario.lives[0].retain_mut(|(_, event)| {
        let Event::Update(update) = event else { return true };
        if update.announced.is_empty() {
            withdrawn.entry(update.vantage).or_default().append(&mut update.withdrawn);
            return false;
        }
        update.withdrawn.extend(withdrawn.remove(&update.vantage).unwrap_or_default());
        merged += usize::from(!update.withdrawn.is_empty());
        true
    });
    assert_eq!(merged, 3);
    for shards in [1, 3] {
        let alerts = run_lives(&scenario.lives, Settings::default(), shards).alerts;
        assert_eq!(scenario.difference(&alerts), None, "with {shards} shards");
    }
}
