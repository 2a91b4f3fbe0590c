/*! The options, one row each. Parsing and "did you mean" are made from this table; the help, the
man page, the README and the completions are checked against it by the tests. */

/// An option.
pub struct Spec {
    /// With its dash, or empty.
    pub short: &'static str,
    pub long: &'static str,
    /// Whether it takes a value.
    pub takes_value: bool,
    /// How often it may be given.
    pub times: Times,
    /// With what it can be combined.
    pub needs: Needs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Once,
    Twice,
    Any,
}

/// What an option is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Goes with everything.
    Nothing,
    /// Goes with starting a run, or with waiting for one.
    Run,
    /// Goes with starting a run.
    Trigger,
    /// Goes with starting the run of an agent.
    Agent,
}

const fn value(short: &'static str, long: &'static str, times: Times, needs: Needs) -> Spec {
    Spec {
        short,
        long,
        takes_value: true,
        times,
        needs,
    }
}

const fn switch(short: &'static str, long: &'static str, needs: Needs) -> Spec {
    Spec {
        short,
        long,
        takes_value: false,
        times: Times::Once,
        needs,
    }
}

pub const OPTIONS: [Spec; 19] = [
    value("-a", "--agent", Times::Once, Needs::Nothing),
    value("", "--tool", Times::Once, Needs::Nothing),
    value("-p", "--param", Times::Any, Needs::Trigger),
    value("-c", "--conversation", Times::Once, Needs::Agent),
    value("", "--attach", Times::Any, Needs::Agent),
    value("-s", "--set", Times::Any, Needs::Trigger),
    value("-f", "--file", Times::Once, Needs::Agent),
    value("-o", "--output", Times::Once, Needs::Run),
    switch("-j", "--json", Needs::Run),
    value("", "--run-file", Times::Once, Needs::Trigger),
    switch("", "--check", Needs::Nothing),
    switch("", "--no-wait", Needs::Trigger),
    value("-r", "--resume", Times::Once, Needs::Run),
    value("-t", "--timeout", Times::Once, Needs::Nothing),
    value("-i", "--interval", Times::Once, Needs::Run),
    Spec {
        times: Times::Twice,
        ..switch("-v", "--verbose", Needs::Nothing)
    },
    switch("-q", "--quiet", Needs::Nothing),
    switch("-h", "--help", Needs::Nothing),
    switch("-V", "--version", Needs::Nothing),
];

/// The option of this name, short or long.
pub fn find(name: &str) -> Option<&'static Spec> {
    OPTIONS
        .iter()
        .find(|spec| spec.long == name || (!name.is_empty() && spec.short == name))
}
