/*!
A validator for the part of JSON Schema that the vendor's document uses. A schema that says more
than it knows is an error: nothing is passed over.
*/

use serde_json::{Map, Value};

/// Where a value breaks its schema, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The way to the value, as in `/message/role`; empty for the value itself.
    pub path: String,
    pub what: String,
}

impl Fault {
    fn of(what: String) -> Fault {
        let path = String::new();
        Fault { path, what }
    }

    fn below(self, name: &str) -> Fault {
        let path = format!("/{name}{}", self.path);
        Fault { path, ..self }
    }
}

/// Holds `value` against `schema`, whose references are to `schemas`.
pub fn check(schema: &Value, value: &Value, schemas: &Value) -> Result<(), Fault> {
    let keywords = schema.as_object().expect("a schema is an object");
    // What is of another type has no members to find fault with.
    let of_type = keywords.get_key_value("type");
    for (keyword, said) in of_type.into_iter().chain(keywords) {
        check_keyword(keyword, said, value, keywords, schemas)?;
    }
    Ok(())
}

fn check_keyword(
    keyword: &str,
    said: &Value,
    value: &Value,
    siblings: &Map<String, Value>,
    schemas: &Value,
) -> Result<(), Fault> {
    match keyword {
        "$ref" => {
            let name = said
                .as_str()
                .and_then(|it| it.strip_prefix("#/components/schemas/"));
            check(
                &schemas[name.expect("a reference to a schema")],
                value,
                schemas,
            )
        }
        "type" if !has_type(value, said) => Err(Fault::of(format!("Expected {said}"))),
        "enum" if !list(said).contains(value) => Err(Fault::of(format!("Expected one of {said}"))),
        "required" => check_required(list(said), value),
        "properties" => check_members(value, schemas, |name| said.get(name).cloned()),
        "additionalProperties" => check_members(value, schemas, |name| {
            let is_known = siblings
                .get("properties")
                .is_some_and(|it| it.get(name).is_some());
            (!is_known).then(|| said.clone())
        }),
        "items" => {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            for (index, item) in items.iter().enumerate() {
                check(said, item, schemas).map_err(|fault| fault.below(&index.to_string()))?;
            }
            Ok(())
        }
        "oneOf" => check_one_of(list(said), value, schemas),
        "minLength" | "maxLength" => {
            let length = value.as_str().map(|text| text.chars().count() as u64);
            let bound = said.as_u64().expect("a length");
            match length {
                Some(length) if keyword == "minLength" && length < bound => {
                    Err(Fault::of(format!("Expected at least {bound} characters")))
                }
                Some(length) if keyword == "maxLength" && length > bound => {
                    Err(Fault::of(format!("Expected at most {bound} characters")))
                }
                _ => Ok(()),
            }
        }
        "minimum" if value.as_f64() < said.as_f64() && value.is_number() => {
            Err(Fault::of(format!("Expected at least {said}")))
        }
        // A format is a remark, and a default is for whoever reads the value.
        "type" | "enum" | "minimum" | "format" | "default" => Ok(()),
        _ => panic!("the validator does not know {keyword}"),
    }
}

fn list(said: &Value) -> &[Value] {
    said.as_array().expect("a list")
}

fn has_type(value: &Value, said: &Value) -> bool {
    match said.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some(other) => panic!("the validator does not know the type {other}"),
        None => list(said).iter().any(|one| has_type(value, one)),
    }
}

fn check_required(names: &[Value], value: &Value) -> Result<(), Fault> {
    let Some(members) = value.as_object() else {
        return Ok(());
    };
    for name in names {
        let name = name.as_str().expect("a name");
        if !members.contains_key(name) {
            return Err(Fault::of(format!("Missing required property: '{name}'")));
        }
    }
    Ok(())
}

/// Holds each member against the schema that there is for its name: an object, or `true` or
/// `false`.
fn check_members(
    value: &Value,
    schemas: &Value,
    schema: impl Fn(&str) -> Option<Value>,
) -> Result<(), Fault> {
    let Some(members) = value.as_object() else {
        return Ok(());
    };
    for (name, member) in members {
        match schema(name) {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => {
                return Err(Fault::of(format!("Unexpected property: '{name}'")));
            }
            Some(schema) => check(&schema, member, schemas).map_err(|fault| fault.below(name))?,
        }
    }
    Ok(())
}

/// Exactly one must match. Where none does, the fault is that of the one that is meant.
fn check_one_of(choices: &[Value], value: &Value, schemas: &Value) -> Result<(), Fault> {
    let matches = choices
        .iter()
        .filter(|choice| check(choice, value, schemas).is_ok())
        .count();
    if matches == 1 {
        return Ok(());
    }
    if matches > 1 {
        return Err(Fault::of(format!("Expected one form, found {matches}")));
    }
    let meant = choices.iter().find(|choice| is_meant(choice, value));
    check(meant.unwrap_or(&choices[0]), value, schemas)
}

/// Whether no constant of `choice` says that `value` is another form.
fn is_meant(choice: &Value, value: &Value) -> bool {
    let no_members = Map::new();
    let properties = choice["properties"].as_object().unwrap_or(&no_members);
    properties.iter().all(|(name, schema)| {
        let is_constant = schema["enum"]
            .as_array()
            .is_some_and(|values| values.len() == 1);
        let member = value.get(name);
        !is_constant || member.is_none() || member == schema["enum"].get(0)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_invalid_is_found() {
        let schemas = json!({"Id": {"type": "string", "minLength": 1, "maxLength": 3}});
        let schema = json!({
            "type": "object",
            "properties": {
                "id": {"$ref": "#/components/schemas/Id"},
                "state": {"type": ["string", "null"], "enum": ["on", null]},
                "counts": {"type": "array", "items": {"type": "number", "minimum": 1}},
                "flags": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "content": {"oneOf": [
                    {
                        "properties": {"type": {"enum": ["a"]}, "text": {"type": "string"}},
                        "required": ["text"],
                    },
                    {"properties": {"type": {"enum": ["b"]}, "errors": {}}, "required": ["errors"]},
                ]},
            },
            "required": ["id"],
            "additionalProperties": false,
        });
        let check = |value: Value| check(&schema, &value, &schemas);
        let good = json!({
            "id": "abc",
            "state": null,
            "counts": [1, 2.5],
            "flags": {"a": true},
            "content": {"text": ""},
        });
        assert_eq!(check(good.clone()), Ok(()));
        let fault = |path: &str, what: &str| {
            let (path, what) = (path.to_owned(), what.to_owned());
            Err(Fault { path, what })
        };
        for (name, wrong, path, what) in [
            ("id", json!(7), "/id", r#"Expected "string""#),
            ("id", json!(""), "/id", "Expected at least 1 characters"),
            ("id", json!("abcd"), "/id", "Expected at most 3 characters"),
            (
                "state",
                json!("off"),
                "/state",
                r#"Expected one of ["on",null]"#,
            ),
            (
                "state",
                json!(true),
                "/state",
                r#"Expected ["string","null"]"#,
            ),
            ("counts", json!({}), "/counts", r#"Expected "array""#),
            ("counts", json!([1, 0]), "/counts/1", "Expected at least 1"),
            (
                "flags",
                json!({"a": 1}),
                "/flags/a",
                r#"Expected "boolean""#,
            ),
            (
                "content",
                json!({}),
                "/content",
                "Missing required property: 'text'",
            ),
            (
                "content",
                json!({"type": "b"}),
                "/content",
                "Missing required property: 'errors'",
            ),
            (
                "content",
                json!({"text": 1}),
                "/content/text",
                r#"Expected "string""#,
            ),
            (
                "content",
                json!({"text": "", "errors": []}),
                "/content",
                "Expected one form, found 2",
            ),
            ("more", json!(1), "", "Unexpected property: 'more'"),
        ] {
            let mut value = good.clone();
            value[name] = wrong;
            assert_eq!(check(value), fault(path, what), "{name}");
        }
        assert_eq!(
            check(json!({})),
            fault("", "Missing required property: 'id'")
        );
        assert_eq!(check(json!([])), fault("", r#"Expected "object""#));
    }

    #[test]
    #[should_panic(expected = "does not know pattern")]
    fn what_it_does_not_know_is_not_passed_over() {
        let _ = check(&json!({"pattern": "^a$"}), &json!("b"), &json!({}));
    }
}
