//! Verbs on a path's last segment, such as `/sessions/{session}:start`.
//!
//! The router cannot match a suffix on a parameter. So a known verb is cut off before the router and made a segment
//! of its own (`/sessions/{session}/~start`), and the document shows the path as callers write it. Both follow from
//! [`VERBS`]. A colon that is part of an id, as in a JID with a device, is left alone, because only the verbs listed
//! for that very path are cut off. Only verbs are posted to the name of a thing, so a POST whose path ends like one that
//! is not in the table is to a path that does not exist.

use axum::{
    extract::Request,
    http::{Method, Uri, uri::PathAndQuery},
};

use crate::error::ApiError;

/// Every path with a verb, as callers write it.
const VERBS: [&str; 4] = [
    "/api/v1/sessions/{session}:logout",
    "/api/v1/sessions/{session}:restart",
    "/api/v1/sessions/{session}:start",
    "/api/v1/sessions/{session}:stop",
];

/// What the routed form of a verb starts with.
const MARK: char = '~';

/// Gives a request whose path has a verb the routed form of the path; before the router.
pub(crate) fn rewrite(request: &mut Request) -> Result<(), ApiError> {
    let path = request.uri().path();
    if is_routed_form(path) {
        // The routed form is ours alone: to a caller it is a path like any other that does not exist.
        return Err(ApiError::not_found("path"));
    }
    if !path.contains([':', '%']) {
        return Ok(());
    }
    if let Some(routed) = VERBS.iter().find_map(|template| matched(template, path)) {
        let uri = replace_path(request.uri(), &routed);
        *request.uri_mut() = uri.map_err(|error| ApiError::internal(error.to_string()))?;
    } else if request.method() == Method::POST && ends_like_a_verb(path) {
        return Err(ApiError::not_found("path"));
    }
    Ok(())
}

/// The path as the document shows it, for the path as the router knows it.
pub(crate) fn documented(routed: &str) -> &str {
    if !routed.contains(MARK) {
        return routed;
    }
    VERBS.iter().find(|template| self::routed(template) == routed).copied().unwrap_or(routed)
}

fn routed(template: &str) -> String {
    template
        .rsplit_once(':')
        .map_or_else(|| template.to_owned(), |(path, verb)| format!("{path}/{MARK}{verb}"))
}

fn is_routed_form(path: &str) -> bool {
    path.contains(MARK) && VERBS.iter().any(|template| fits(&routed(template), path))
}

fn matched(template: &str, path: &str) -> Option<String> {
    let (template, verb) = template.rsplit_once(':')?;
    let target = without_colon(path.strip_suffix(verb)?)?;
    fits(template, target).then(|| format!("{target}/{MARK}{verb}"))
}

/// What precedes a colon, which a caller may have written in its escaped form.
fn without_colon(path: &str) -> Option<&str> {
    [":", "%3A", "%3a"].iter().find_map(|colon| path.strip_suffix(colon))
}

/// Whether the path ends in a colon and a word, as a JID with a device never does.
fn ends_like_a_verb(path: &str) -> bool {
    let start = path.trim_end_matches(|letter: char| letter.is_ascii_lowercase() || letter == '-');
    start.len() < path.len() && without_colon(start).is_some()
}

/// Whether the path is one of the template, whose parameters stand for anything but nothing.
fn fits(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let all = template.split('/').all(|wanted| match segments.next() {
        Some(given) if wanted.starts_with('{') => !given.is_empty(),
        given => given == Some(wanted),
    });
    all && segments.next().is_none()
}

fn replace_path(uri: &Uri, path: &str) -> Result<Uri, axum::http::Error> {
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query)?);
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(path: &str) -> Option<String> {
        VERBS.iter().find_map(|template| matched(template, path))
    }

    #[test]
    fn a_known_verb_becomes_a_segment() {
        assert_eq!(
            rewritten("/api/v1/sessions/01HZ:start").as_deref(),
            Some("/api/v1/sessions/01HZ/~start")
        );
        assert_eq!(
            rewritten("/api/v1/sessions/a:b:start").as_deref(),
            Some("/api/v1/sessions/a:b/~start")
        );
        for escaped in ["/api/v1/sessions/01HZ%3Astart", "/api/v1/sessions/01HZ%3astart"] {
            assert_eq!(rewritten(escaped).as_deref(), Some("/api/v1/sessions/01HZ/~start"));
        }
    }

    #[test]
    fn any_other_colon_stays() {
        for path in [
            "/api/v1/sessions/01HZ",
            "/api/v1/sessions/01HZ:halt",
            "/api/v1/sessions/:start",
            "/api/v1/sessions:start",
            "/api/v1/sessions/01HZ/groups/1:start",
            "/api/v1/sessions/01HZ:start/",
            "/api/v1/sessions/01HZ/groups/1555:2@s.whatsapp.net",
        ] {
            assert_eq!(rewritten(path), None, "{path}");
        }
    }

    #[test]
    fn a_word_after_the_last_colon_is_like_a_verb_and_a_device_is_not() {
        for (path, like) in [
            ("/api/v1/sessions/01HZ:halt", true),
            ("/api/v1/sessions/a:b:revoke-all", true),
            ("/api/v1/sessions/01HZ%3Ahalt", true),
            ("/api/v1/sessions/01HZ", false),
            ("/api/v1/sessions/01HZ:", false),
            ("/api/v1/sessions/01HZ:halt/", false),
            ("/api/v1/sessions/01HZ/groups/1555:2@s.whatsapp.net", false),
        ] {
            assert_eq!(ends_like_a_verb(path), like, "{path}");
        }
    }

    #[test]
    fn every_verb_is_routed_and_every_routed_verb_is_in_the_table() {
        let document = crate::api::routed_document();
        let in_router: Vec<_> =
            document.paths.paths.keys().filter(|path| is_routed_form(path)).cloned().collect();
        let in_table: Vec<_> = VERBS.iter().map(|template| routed(template)).collect();
        assert!(in_table.is_sorted(), "the table is kept in order");
        assert_eq!(in_router, in_table);
    }

    #[test]
    fn the_document_shows_what_callers_write() {
        let document = crate::api::document();
        for template in VERBS {
            assert!(document.paths.paths.contains_key(template), "{template}");
        }
        assert!(document.paths.paths.keys().all(|path| !is_routed_form(path)));
    }
}
