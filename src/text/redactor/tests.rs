/*! The key in every form, and what is left of a text without it. */

use super::*;

fn redactor(token: &str) -> Redactor {
    let redactor = Redactor::default();
    redactor.learn(&Token::new(token).unwrap());
    redactor
}

#[test]
fn redacts_the_key_in_every_form() {
    let known = redactor("n-1:sk-01/3456789");
    for (text, redacted) in [
        ("a n-1:sk-01/3456789 b", "a n-1:[redacted] b"),
        ("sk-sk-01/3456789 sk-01/3", "sk-[redacted] sk-01/3"),
        ("cut off: sk-01/345", "cut off: [redacted]"),
        (r"sk-01\/345... \", r"[redacted]... \"),
        (r"sk-01\/3456789", "[redacted]"),
        (r"\u0073k-01\u002F3456789!", "[redacted]!"),
        (r"\\u0073k-01\\\/3456789", r"\\[redacted]"),
        // What is escaped stays so: the JSON is still valid.
        (r"\n\\sk-01/3456789\n", r"\n\\[redacted]\n"),
        (r"\u00e9 sk-01\/3 \u00", r"\u00e9 sk-01\/3 \u00"),
        (r"s\\\", r"s\\\"),
        // The backslash of JSON within JSON as a code.
        (r#""\u005cu0073k-01/3456789""#, r#""[redacted]""#),
        (r#""a sk-01/\u005C\u005cu0033456789""#, r#""a [redacted]""#),
        (r#""\\u005cu0073k-01/3456789""#, r#""[redacted]""#),
        (r"\u005cn sk-02", r"\u005cn sk-02"),
    ] {
        assert_eq!(known.redact(text).as_str(), redacted, "{text}");
    }
    let repeats_itself = redactor("p:abcabcabcabc-0123456789");
    for (text, redacted) in [
        ("x abcabcabcabcabc-0123456789 y", "x [redacted] y"),
        (
            "abcabcabcabc-0123456789abcabcabcabc",
            "[redacted][redacted]",
        ),
        ("abcabcabcabc-01 abcabcabcabc-01", "[redacted] [redacted]"),
    ] {
        assert_eq!(repeats_itself.redact(text).as_str(), redacted, "{text}");
    }
    let has_a_backslash = redactor(r"p:sk-a\b0123456789");
    for text in [
        r"sk-a\b0123456789",
        r"sk-a\\b0123456789",
        r"sk-a\u005cb0123456789",
    ] {
        assert_eq!(
            has_a_backslash.redact(text).as_str(),
            "[redacted]",
            "{text}"
        );
    }
    // Without its backslashes too little is left to look for.
    for token in [r"p:\\\\\\\\", r"p:a\\\\\\\\", r"\:\"] {
        let text = r#"{"a": false, "b": "\\n: \n"}"#;
        assert_eq!(redactor(token).redact(text).as_str(), text, "{token}");
    }
    let begins_like_an_escape = redactor("p:nkey-0123");
    assert_eq!(
        begins_like_an_escape.redact(r"a\nkey-0123").as_str(),
        "a[redacted]"
    );
    let short = redactor("p:key");
    assert_eq!(
        short.redact("a key of p:key").as_str(),
        "a key of [redacted]"
    );
    let with_region = redactor("p:sk-0123456789:bcbe5a");
    assert_eq!(with_region.redact("sk-0123456789").as_str(), "[redacted]");
}

#[test]
fn before_the_key_is_known_whatever_looks_like_one_is_hidden() {
    for (text, redacted) in [
        (
            "--set sk-0123456789 was given",
            "--set [redacted] was given",
        ),
        (
            "p:sk-0123-4567_89: a, sk-abcdefgh",
            "p:[redacted]: a, [redacted]",
        ),
        (
            "unknown option --sk-0123456789",
            "unknown option --[redacted]",
        ),
        (
            "/srv/task-management/risk-assessment",
            "/srv/task-management/risk-assessment",
        ),
        ("sk-1", "sk-1"),
    ] {
        assert_eq!(
            Redactor::default().redact(text).as_str(),
            redacted,
            "{text}"
        );
    }
}

#[test]
fn a_quotation_keeps_the_beginning_and_the_end_and_no_part_of_a_key() {
    let known = redactor("p:sk-0123456789abcdef");
    for padding in 170..310 {
        let text = format!(
            "{} sk-0123456789abcdef {}end",
            "x".repeat(padding),
            "y ".repeat(200)
        );
        let quoted = known.quote(&Untrusted(text));
        assert!(
            !quoted.contains("sk-") && quoted.ends_with("y end"),
            "{quoted}"
        );
        assert_eq!(quoted.chars().count(), 300);
    }
    let long = known.quote(&Untrusted(format!("a{}b", "\n c".repeat(100_000))));
    assert!(
        long.starts_with("a c c") && long.ends_with("c cb"),
        "{long}"
    );
    assert_eq!(long.chars().count(), 300);
    let short = "é".repeat(297);
    assert_eq!(known.quote(&Untrusted(short.clone())), short);
}

#[test]
fn a_transcript_is_one_line() {
    assert_eq!(
        Redactor::default().transcribe(b"a\n\x1b  b\xff"),
        "a\\n\\u{1b}  b?"
    );
}
