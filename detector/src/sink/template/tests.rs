use rules::alert::{Alert, Severity};

use super::*;
use crate::alert::samples::opened;
use crate::alert::{WireContext, to_json};
use crate::sink::courier::Letter;

fn message(alert: Alert) -> Message {
    let json = to_json(&alert, &WireContext::default()).into();
    Message::Alert(Box::new(Letter { alert, json, url: Some("https://bgp.example.net/incidents/x".into()) }))
}

fn rendered(source: &str, markup: Markup, message: &Message) -> Option<String> {
    Template::new("r".into(), source, markup).expect("it compiles").render(message)
}

#[test]
fn a_template_says_it_in_another_language() {
    let source = "{% if event == 'opened' %}Neu{% else %}Weiter{% endif %}: AS{{ alert.suspect_ases[0] }} kündigt \
                  {{ alert.prefixes | join(', ') }} an, siehe {{ link }}";
    assert_eq!(
        rendered(source, Markup::Text, &message(opened())).expect("text"),
        "Neu: AS64511 kündigt 192.0.2.0/25 an, siehe https://bgp.example.net/incidents/x"
    );
}

#[test]
fn what_is_put_in_is_escaped_for_the_receiver_and_the_template_itself_is_not() {
    let hostile = message(Alert { title: "<!here> & <b>".into(), ..opened() });
    let of = |markup| rendered("<b>{{ alert.title }}</b>", markup, &hostile).expect("text");
    assert_eq!(of(Markup::Slack), "<b>&lt;!here&gt; &amp; &lt;b&gt;</b>");
    assert_eq!(of(Markup::Html), "<b>&lt;!here&gt; &amp; &lt;b&gt;</b>");
    assert_eq!(of(Markup::Text), "<b><!here> & <b></b>");
}

#[test]
fn a_template_that_runs_or_writes_without_end_or_fails_is_passed_over() {
    for source in [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% for a in range(9999) %}{{ headline }}{% endfor %}",
        "{{ alert.title.x.y }}",
        "{{ nothing() }}",
    ] {
        assert_eq!(rendered(source, Markup::Text, &message(opened())), None, "{source}");
    }
}

#[test]
fn what_is_wrong_with_a_template_is_told_with_its_line() {
    let error = Template::new("r".into(), "one\n{% if %}", Markup::Text).err().expect("wrong");
    assert!(error.contains("template:2"), "{error}");
}

#[test]
fn a_digest_is_a_list_of_the_same() {
    let both = vec![message(opened()), message(Alert { severity: Severity::Low, ..opened() })];
    let source = "{{ event }}: {% for one in digest %}{{ one.alert.severity }} {% endfor %}";
    assert_eq!(rendered(source, Markup::Text, &Message::Digest(both)).expect("text"), "digest: high low ");
}
