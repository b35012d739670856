//! JSON bodies: one object, no `null`, no field that the operation does not know, every fault named.

use std::{collections::BTreeMap, fmt};

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::error::{ApiError, FieldError};

/// The largest body, in bytes.
pub(crate) const BODY_LIMIT: usize = 1 << 20;

/// A request body that is read field by field, so that all its faults are found at once.
pub(crate) trait FromFields: Sized {
    /// Takes the fields it knows; faults go into `fields`.
    fn from_fields(fields: &mut Fields) -> Self;
}

/// The body of the request.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: FromFields, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, BODY_LIMIT).await.map_err(|error| unreadable(&error))?;
        Ok(Self(read(&parts.headers, &bytes)?))
    }
}

fn unreadable(error: &axum::Error) -> ApiError {
    // The limit's own error sits somewhere below the wrapper, depending on how the body was made.
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        if current.to_string() == "length limit exceeded" {
            return ApiError::too_large(BODY_LIMIT);
        }
        cause = current.source();
    }
    ApiError::invalid_field("body", "could not be read to its end")
}

fn read<T: FromFields>(headers: &HeaderMap, bytes: &Bytes) -> Result<T, ApiError> {
    if bytes.is_empty() {
        return Err(ApiError::invalid_field("body", "must be a JSON object, but is empty"));
    }
    if !is_json(headers) {
        return Err(ApiError::new(
            crate::error::Code::UnsupportedMediaType,
            "the body must be JSON, with `Content-Type: application/json`",
        ));
    }
    let object: Object = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            ApiError::invalid_field("body", "must be a JSON object")
        }
        _ => ApiError::invalid_field("body", &format!("is not JSON: {error}")),
    })?;
    let mut fields = Fields { given: object.fields, errors: object.errors };
    let body = T::from_fields(&mut fields);
    fields.finish()?;
    Ok(body)
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return false };
    let essence = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The fields of a body that were given and not yet taken, and the faults found so far.
#[derive(Debug)]
pub(crate) struct Fields {
    given: BTreeMap<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Takes a text that obeys `rule`, which says what is wrong with one that does not.
    pub(crate) fn text(
        &mut self,
        name: &str,
        rule: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Option<String> {
        let Value::String(text) = self.take(name, "a text", Value::is_string)? else { return None };
        if let Err(fault) = rule(&text) {
            self.refuse(name, fault);
        }
        Some(text)
    }

    /// Takes a truth value.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name, "true or false", Value::is_boolean)?.as_bool()
    }

    /// Takes a whole number.
    pub(crate) fn number(&mut self, name: &str) -> Option<i64> {
        self.take(name, "a whole number", Value::is_i64)?.as_i64()
    }

    /// Takes a list of texts, each of which `read` understands, or says of one what is wrong with it.
    pub(crate) fn texts<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let value = self.take(name, "a list of texts", |value| {
            value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
        })?;
        let items = value.as_array()?.iter().filter_map(Value::as_str);
        match items.map(read).collect() {
            Ok(read) => Some(read),
            Err(fault) => {
                self.refuse(name, &fault);
                None
            }
        }
    }

    /// Notes that a field that must be there is not.
    pub(crate) fn missing(&mut self, name: &str) {
        if self.errors.iter().all(|error| error.field != name) {
            self.refuse(name, "must be given");
        }
    }

    fn take(&mut self, name: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let value = self.given.remove(name)?;
        if fits(&value) {
            return Some(value);
        }
        let not_null = if value.is_null() { ", not null: leave the field out instead" } else { "" };
        self.refuse(name, &format!("must be {what}{not_null}"));
        None
    }

    /// Notes what is wrong with a field.
    pub(crate) fn refuse(&mut self, name: &str, fault: &str) {
        self.errors.push(FieldError { field: name.to_owned(), message: fault.to_owned() });
    }

    fn finish(mut self) -> Result<(), ApiError> {
        for name in std::mem::take(&mut self.given).into_keys() {
            self.refuse(&name, "is not a field of this request");
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(&self.errors)) }
    }
}

/// A JSON object that remembers a field given twice, where a plain map would let the last one win.
struct Object {
    fields: BTreeMap<String, Value>,
    errors: Vec<FieldError>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object { fields: BTreeMap::new(), errors: Vec::new() };
        while let Some((field, value)) = map.next_entry::<String, Value>()? {
            if object.fields.insert(field.clone(), value).is_some() {
                object.errors.push(FieldError { field, message: "is given twice".to_owned() });
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample {
        name: Option<String>,
        loud: Option<bool>,
    }

    impl FromFields for Sample {
        fn from_fields(fields: &mut Fields) -> Self {
            let short = |text: &str| if text.len() < 4 { Ok(()) } else { Err("is too long") };
            Self { name: fields.text("name", short), loud: fields.flag("loud") }
        }
    }

    fn parse(content_type: Option<&str>, body: &'static str) -> Result<Sample, ApiError> {
        let mut headers = HeaderMap::new();
        if let Some(given) = content_type {
            headers.insert(header::CONTENT_TYPE, given.parse().unwrap());
        }
        read(&headers, &Bytes::from_static(body.as_bytes()))
    }

    fn code(content_type: Option<&str>, body: &'static str) -> u16 {
        use axum::response::IntoResponse;
        match parse(content_type, body) {
            Ok(_) => 200,
            Err(error) => error.into_response().status().as_u16(),
        }
    }

    #[test]
    fn an_object_with_known_fields_is_read() {
        let sample =
            parse(Some("application/json; charset=utf-8"), r#"{"name":"abc","loud":true}"#)
                .unwrap();
        assert_eq!((sample.name.as_deref(), sample.loud), (Some("abc"), Some(true)));
        let sample = parse(Some("Application/JSON; charset=utf-8"), "{}").unwrap();
        assert_eq!((sample.name, sample.loud), (None, None));
    }

    #[test]
    fn what_is_not_an_object_of_known_fields_is_400() {
        let json = Some("application/json");
        for body in [
            "[]",
            "null",
            "1",
            "\"x\"",
            "{",
            "{} {}",
            "[{}]",
            r#"{"name":null}"#,
            r#"{"other":1}"#,
            r#"{"name":1}"#,
            r#"{"loud":"true"}"#,
            r#"{"name":"abcd"}"#,
            r#"{"name":"a","name":"b"}"#,
            r#"{"name":"\ud800"}"#,
        ] {
            assert_eq!(code(json, body), 400, "{body}");
        }
    }

    #[test]
    fn an_empty_body_is_400_whatever_its_type() {
        for content_type in [None, Some("application/json"), Some("text/plain")] {
            assert_eq!(code(content_type, ""), 400, "{content_type:?}");
        }
    }

    #[test]
    fn a_body_of_another_type_is_415() {
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            assert_eq!(code(content_type, "{}"), 415, "{content_type:?}");
        }
    }

    #[test]
    fn every_fault_is_named() {
        let mut fields = Fields {
            given: [("name".to_owned(), Value::Null), ("zeal".to_owned(), Value::Null)].into(),
            errors: Vec::new(),
        };
        Sample::from_fields(&mut fields);
        let named: Vec<_> = fields.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(named, ["name"]);
        assert!(format!("{:?}", fields.finish().unwrap_err()).contains("zeal"));
    }
}
