/*! Reading JSON that is hostile until read.

serde's derive is not used for replies: it accepts a list in the place of an object, fails as a
whole where one member has another type, and cannot hand on a value as it was sent. Here a member of
the wrong type counts as absent, whatever is not named is passed over, and a list is read one item
at a time, so that a list of a million items takes no more memory than its text. */

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A body as JSON, if it is that.
pub fn parse(body: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(body).ok()
}

/// Text as a JSON string.
pub fn quoted(text: &str) -> String {
    // Any text can be written as JSON.
    serde_json::to_string(text).unwrap_or_default()
}

/// The first JSON value of a body, as far as it can be read: a byte order mark, bytes that are not
/// text, and whatever follows are passed over.
pub fn parse_leniently(body: &[u8]) -> Option<Box<RawValue>> {
    let text: String = body.utf8_chunks().map(|chunk| chunk.valid()).collect();
    let text = text.trim_start_matches('\u{feff}');
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .next()?
        .ok()
}

/// A member of an object, the last one of its name. Null counts as absent.
pub fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    // A value that is not an object is recognised by its first character: a list may have
    // millions of items.
    if !object.get().starts_with('{') {
        return None;
    }
    let mut found = None;
    let mut visit = |item: Item<'a>| {
        if item.key.as_deref() == Some(name.as_bytes()) {
            found = Some(item.value);
        }
    };
    serde_json::Deserializer::from_str(object.get())
        .deserialize_any(Items(&mut visit))
        .ok()?;
    found.filter(|value| value.get() != "null")
}

/// A member of a member of an object, and so on.
pub fn path<'a>(object: &'a RawValue, names: &[&str]) -> Option<&'a RawValue> {
    let mut value = object;
    for name in names {
        value = member(value, name)?;
    }
    Some(value)
}

/// Calls `act` with each item of a list, one at a time. Whatever is not a list has none.
pub fn for_each<'a>(list: Option<&'a RawValue>, mut act: impl FnMut(&'a RawValue)) {
    let Some(list) = list else {
        return;
    };
    let mut visit = |item: Item<'a>| {
        if item.key.is_none() {
            act(item.value);
        }
    };
    // An item that is passed on has been read: what an error would say is that there are no more.
    let _ = serde_json::Deserializer::from_str(list.get()).deserialize_any(Items(&mut visit));
}

/// Whether a value is a list with something in it.
pub fn is_filled_list(value: &RawValue) -> bool {
    let items = value.get().strip_prefix('[').unwrap_or_default();
    !matches!(items.trim_start().as_bytes().first(), None | Some(b']'))
}

/// A member of an object that is text.
pub fn text(object: &RawValue, name: &str) -> Option<String> {
    as_text(member(object, name)?)
}

/// A value that is text. Half a surrogate pair, which JSON can hold and text cannot, is U+FFFD.
pub fn as_text(value: &RawValue) -> Option<String> {
    if !value.get().starts_with('"') {
        return None;
    }
    match serde_json::from_str(value.get()) {
        Ok(text) => Some(text),
        Err(_) => serde_json::from_str(&replace_half_pairs(value.get())).ok(),
    }
}

/// Whether a member of an object is `true`.
pub fn is_true(object: &RawValue, name: &str) -> bool {
    member(object, name).is_some_and(|value| value.get() == "true")
}

/// JSON text in which each `\uD83D` without its other half is `\uFFFD`.
fn replace_half_pairs(json: &str) -> String {
    let mut replaced = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        replaced.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match surrogate(rest) {
            Some(Half::High) if surrogate(rest.get(6..).unwrap_or_default()) == Some(Half::Low) => {
                replaced.push_str(&rest[..12]);
                12
            }
            Some(_) => {
                replaced.push_str("\\ufffd");
                6
            }
            None => {
                let escape: String = rest.chars().take(2).collect();
                replaced.push_str(&escape);
                escape.len()
            }
        };
        rest = &rest[length..];
    }
    replaced.push_str(rest);
    replaced
}

#[derive(PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Which half of a pair the escape at the beginning of `text` is, if it is one.
fn surrogate(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

/// An item of a list, or a member of an object with its name.
struct Item<'a> {
    key: Option<Cow<'a, [u8]>>,
    value: &'a RawValue,
}

/// Calls its function with each item of a list, or with each member of an object. The function is
/// behind a pointer, so that the parser is there once and not once for each.
struct Items<'f, 'a>(&'f mut dyn FnMut(Item<'a>));

impl<'a> Visitor<'a> for Items<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key_seed(Name)? {
            let value = members.next_value()?;
            (self.0)(Item {
                key: Some(key),
                value,
            });
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(value) = items.next_element()? {
            (self.0)(Item { key: None, value });
        }
        Ok(())
    }
}

/// The name of a member, as bytes: a name may hold half a surrogate pair, which is not text.
struct Name;

impl<'a> DeserializeSeed<'a> for Name {
    type Value = Cow<'a, [u8]>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'a> Visitor<'a> for Name {
    type Value = Cow<'a, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_bytes<E>(self, name: &'a [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }

    fn visit_borrowed_str<E>(self, name: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name.as_bytes()))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.as_bytes().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn half_a_surrogate_pair_is_a_replacement_character() {
        for (json, expected) in [
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""\udc00\ud83d\ude00\ud83dx""#, "\u{fffd}😀\u{fffd}x"),
            (r#""\\ud83d \ud83d""#, "\\ud83d \u{fffd}"),
            (r#""é\ud83d\n""#, "é\u{fffd}\n"),
        ] {
            assert_eq!(as_text(&raw(json)).as_deref(), Some(expected), "{json}");
        }
        assert_eq!(as_text(&raw("1")), None);
    }

    #[test]
    fn a_name_that_is_not_text_hides_nothing() {
        let object = raw(r#"{"\ud83d": 1, "type": "complete", "n": null}"#);
        assert_eq!(text(&object, "type").as_deref(), Some("complete"));
        assert!(member(&object, "n").is_none());
        assert!(member(&raw("[1]"), "n").is_none());
    }

    #[test]
    fn the_first_value_of_a_body_that_is_not_quite_json() {
        let value = parse_leniently(b"\xef\xbb\xbf{\"a\": \"\xffb\"} and more").unwrap();
        assert_eq!(text(&value, "a").as_deref(), Some("b"));
    }
}
