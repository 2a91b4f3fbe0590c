/*! What the watchdog would find at any moment. */

use super::entry::Fingerprinter;
use super::*;
use std::{env, fs, process};

fn session() -> Arc<Session> {
    let options = Options {
        timeout: None,
        json: false,
        verbosity: 0,
        quiet: true,
    };
    Session::new(Instant::now(), options)
}

/// Once the journal can be seen, so can what it says: a run of an earlier process is never taken
/// for nothing started, and its file removed.
#[test]
fn a_claim_says_at_once_what_an_earlier_process_did() {
    let path = env::temp_dir().join(format!("relevance-run-claim-{}", process::id()));
    let fingerprint = || Fingerprinter::new().finish();
    let next = Announcement {
        name: None,
        began_at: None,
    };
    let first = entry::first_line(&fingerprint(), &next);
    let run = entry::parse_run("run s/j c -").unwrap();
    for (text, remote) in [
        (String::new(), Remote::Unsent),
        (first.clone(), Remote::Unsent),
        (format!("{first}\n"), Remote::Sent),
        (format!("{first}\nrun s/j c -\n"), Remote::Started(run)),
    ] {
        fs::write(&path, text).unwrap();
        let session = session();
        session.claim(&path, &fingerprint(), &next).unwrap();
        assert_eq!(session.known().remote, remote);
        assert_eq!(session.lock().unrecorded(), None);
    }
    fs::remove_file(path).unwrap();
}

/// A signal in the moment between the two would lose the run.
#[test]
fn a_run_is_to_be_recorded_as_soon_as_it_is_known() {
    let session = session();
    let run = entry::parse_run("run s/j c -").unwrap();
    session.started(run.clone());
    assert_eq!(session.lock().unrecorded(), Some(&run));
    session.lock().mark_recorded();
    session.started(run.clone());
    assert_eq!(session.lock().unrecorded(), None);
}
