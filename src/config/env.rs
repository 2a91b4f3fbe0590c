/*! One variable of the environment, or the file that it points to.

The value of a variable is never shown in an error: a key may have been put into the wrong one. */

use crate::error::Error;
use crate::text::io_reason;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

/// Larger than any real key or CA bundle, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// A value, and the name of the variable that it came from.
pub struct Named {
    pub name: &'static str,
    pub value: String,
}

/// Called before something is read that may block, with what that is.
pub type OnRead<'a> = &'a dyn Fn(String);

/// The first variable that is set and not blank. White space around the value is trimmed.
pub fn first(names: &[&'static str]) -> Result<Option<Named>, Error> {
    for &name in names {
        let Some(value) = env::var_os(name) else {
            continue;
        };
        if let Some(value) = tidy(name, value)? {
            return Ok(Some(Named { name, value }));
        }
    }
    Ok(None)
}

/// As [`first`] for one name, or the contents of the file that `file_name` points to.
pub fn first_or_file(
    name: &'static str,
    file_name: &'static str,
    on_read: OnRead,
) -> Result<Option<Named>, Error> {
    let value = first(&[name])?;
    let Some(contents) = file(file_name, on_read)? else {
        return Ok(value);
    };
    if value.is_some() {
        return Err(
            Error::usage(format!("both {name} and {file_name} are set")).next("unset one of them")
        );
    }
    match tidy(
        &format!("the file in {file_name}"),
        OsString::from_vec(contents),
    )? {
        Some(value) => Ok(Some(Named {
            name: file_name,
            value,
        })),
        None => Err(Error::usage(format!("the file in {file_name} is empty"))
            .next("put the authorization token or API key in it")),
    }
}

/// The contents of the file that a variable points to.
pub fn file(name: &'static str, on_read: OnRead) -> Result<Option<Vec<u8>>, Error> {
    let Some(Named { value: path, .. }) = first(&[name])? else {
        return Ok(None);
    };
    on_read(format!("still reading the file in {name}"));
    let mut contents = Vec::new();
    let read = File::open(&path).and_then(|file| {
        let size = file.metadata().map_or(0, |found| found.len().min(MAX_FILE));
        contents.reserve_exact(size as usize + 1);
        file.take(MAX_FILE).read_to_end(&mut contents)
    });
    if let Err(why) = read {
        let shown = match looks_like_key(&path) {
            true => "(not shown, it looks like a key)",
            false => &path,
        };
        let why = io_reason(&why);
        return Err(
            Error::usage(format!("cannot read the file in {name}, {shown}: {why}"))
                .next("check the path and its permissions"),
        );
    }
    if contents.len() as u64 >= MAX_FILE {
        let what = format!("the file in {name} is larger than 16 MiB");
        return Err(Error::usage(what).next("check the path"));
    }
    Ok(Some(contents))
}

/// Whether a key was put where a path should be.
fn looks_like_key(path: &str) -> bool {
    path.contains("sk-") || (path.contains(':') && !path.contains('/'))
}

/// A value without the white space around it; `None` if nothing is left.
fn tidy(name: &str, value: OsString) -> Result<Option<String>, Error> {
    let value = value
        .into_string()
        .map_err(|_| Error::usage(format!("{name} is not valid UTF-8")).next("set it again"))?;
    let value = value.trim();
    if value.chars().any(char::is_control) {
        let what = format!("{name} contains a line break or another control character");
        return Err(Error::usage(what).next("remove it"));
    }
    Ok(Some(value.to_owned()).filter(|value| !value.is_empty()))
}
