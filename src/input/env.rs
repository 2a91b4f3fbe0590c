/*! One variable of the environment, or the file that it names.

The value of a variable is never shown in an error: a key may have been put into the wrong one. */

use crate::output::exit::{Error, ensure, error};
use std::{env, ffi::OsString, fs::File, io::Read, os::unix::ffi::OsStringExt};

/// No key and no bundle of authorities is as large, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// A variable's name and its value.
type Named = (&'static str, String);

/// The first variable that is set and not blank, with its name; white space around the value is trimmed.
pub fn first(names: &[&'static str]) -> Result<Option<Named>, Error> {
    let value = |name| tidy(name, env::var_os(name)?).transpose();
    names
        .iter()
        .find_map(|name| Some(value(name)?.map(|value| (*name, value))))
        .transpose()
}

/// As [`first`] for one name, or the contents of the file that the second names.
pub fn first_or_file(
    names: [&'static str; 2],
    waiting: &dyn Fn(String),
) -> Result<Option<Named>, Error> {
    let [name, file_name] = names;
    let value = first(&[name])?;
    let Some(contents) = file(file_name, waiting)? else {
        return Ok(value);
    };
    ensure!(value.is_none(), Usage: "both {name} and {file_name} are set; unset one of them");
    match tidy(file_name, OsString::from_vec(contents))? {
        Some(contents) => Ok(Some((file_name, contents))),
        None => {
            Err(error!(Usage: "the file that {file_name} names is empty; write the key into it"))
        }
    }
}

/// The contents of the file that a variable names. `waiting` is told before it is read, which may block.
pub fn file(name: &'static str, waiting: &dyn Fn(String)) -> Result<Option<Vec<u8>>, Error> {
    let Some((_, path)) = first(&[name])? else {
        return Ok(None);
    };
    waiting(format!("still reading the file that {name} names"));
    let mut contents = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut contents));
    read.map_err(|why| {
        // A key that was put here by mistake is no path, and not shown.
        let shown = if path.contains("sk-") { "(not shown, it looks like a key)" } else { &path };
        error!(Usage: "cannot read the file that {name} names, {shown}: {why}; check the path and who may read it")
    })?;
    ensure!((contents.len() as u64) < MAX_FILE, Usage: "the file that {name} names is larger than any that fits");
    Ok(Some(contents))
}

/// A value without the white space around it; `None` if nothing is left.
fn tidy(name: &str, value: OsString) -> Result<Option<String>, Error> {
    let value = value
        .into_string()
        .map_err(|_| error!(Usage: "{name} is not UTF-8 text; set it again"))?;
    let value = value.trim();
    let is_plain = !value.chars().any(char::is_control);
    ensure!(is_plain, Usage: "{name} holds a line break or another control character; set it again without");
    Ok((!value.is_empty()).then(|| value.to_owned()))
}
