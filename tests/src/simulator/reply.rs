//! Answers and the error texts of the server.

use axum::http::StatusCode;

use super::quirks::{Quirk, Quirks};

/// What kind of body an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// JSON.
    Json,
    /// A page for people.
    Html,
    /// Plain text.
    Text,
    /// Bytes of no declared kind.
    Octets,
    /// Nothing at all.
    Empty,
}

impl Content {
    /// The content type sent, if one is.
    pub fn media_type(self) -> Option<&'static str> {
        match self {
            Self::Json => Some("application/json;charset=UTF-8"),
            Self::Html => Some("text/html;charset=UTF-8"),
            Self::Text => Some("text/plain;charset=UTF-8"),
            Self::Octets => Some("application/octet-stream"),
            Self::Empty => None,
        }
    }
}

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The kind of body.
    pub content: Content,
    /// The body.
    pub body: Vec<u8>,
    /// How many rows the body holds, for the request log.
    pub rows: u64,
    /// Rows of the release the call was about, for the delay of large releases.
    pub release_rows: u64,
    /// The seconds of a `Retry-After` header.
    pub retry_after_s: Option<u64>,
    /// The cookie of a session that begins.
    pub cookie: Option<String>,
}

impl Reply {
    /// An answer with a body.
    pub fn new(status: StatusCode, content: Content, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content, body: body.into(), rows: 0, release_rows: 0, retry_after_s: None, cookie: None }
    }

    /// 200 with JSON.
    pub fn json(body: impl Into<Vec<u8>>, rows: usize) -> Self {
        Self { rows: rows as u64, ..Self::new(StatusCode::OK, Content::Json, body) }
    }

    /// A page instead of JSON.
    pub fn html(status: StatusCode, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
        );
        Self::new(status, Content::Html, page)
    }

    /// An error as the server words it: pretty-printed, with a space before the colon.
    pub fn error(status: StatusCode, message: &str, code: &str) -> Self {
        let message = serde_json::Value::from(message);
        let code = serde_json::Value::from(code);
        let body = format!("{{\n  \"errorMsg\" : {message},\n  \"errorCode\" : {code}\n}}");
        Self::new(status, Content::Json, body)
    }

    /// Any status, worded by its reason.
    pub fn status(code: u16) -> Self {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_informational() || matches!(code, 204 | 205 | 304) {
            return Self::new(status, Content::Empty, "");
        }
        let reason = status.canonical_reason().unwrap_or("Unknown");
        Self::error(status, reason, reason)
    }

    /// A call beyond the rate that is served.
    pub fn too_many(retry_after_s: Option<u64>) -> Self {
        let refusal = Self::error(StatusCode::TOO_MANY_REQUESTS, "too many requests", "Too Many Requests");
        Self { retry_after_s, ..refusal }
    }

    /// Missing or wrong credentials.
    pub fn unauthorised(quirks: Quirks) -> Self {
        let body = if quirks.has(Quirk::OddErrorBodies) {
            r#"{"message": "{\"message\":\"Unauthorized\"}"}"#
        } else {
            r#"{"message": "Unauthorized"}"#
        };
        Self::new(StatusCode::UNAUTHORIZED, Content::Json, body)
    }

    /// A project the owner of the token may not open.
    pub fn forbidden() -> Self {
        Self::error(StatusCode::FORBIDDEN, "User does not have access to perform this operation", "Forbidden")
    }

    /// An unknown path.
    pub fn not_found(quirks: Quirks) -> Self {
        if quirks.has(Quirk::OddErrorBodies) {
            Self::new(StatusCode::NOT_FOUND, Content::Empty, "")
        } else {
            Self::error(StatusCode::NOT_FOUND, "no such path", "Not Found")
        }
    }

    /// A known path with another verb.
    pub fn wrong_verb() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Content::Empty, "")
    }

    /// A value that is not what the parameter wants.
    pub fn unconvertible(quirks: Quirks, value: &str) -> Self {
        if quirks.has(Quirk::ConversionErrors) {
            Self::new(StatusCode::NOT_FOUND, Content::Empty, "")
        } else {
            let message = format!("For input string: \"{value}\"");
            Self::error(StatusCode::BAD_REQUEST, &message, "Bad Request")
        }
    }

    /// An id nobody has.
    pub fn unknown_id(quirks: Quirks, entity: &str) -> Self {
        if quirks.has(Quirk::ConversionErrors) {
            let message = format!("Cannot invoke \"{entity}.getId()\" because \"{entity}\" is null");
            Self::error(StatusCode::INTERNAL_SERVER_ERROR, &message, "Internal Server Error")
        } else {
            Self::error(StatusCode::NOT_FOUND, "no such id", "Not Found")
        }
    }

    /// A mandatory parameter left out.
    pub fn missing(message: &str, code: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, message, code)
    }
}
