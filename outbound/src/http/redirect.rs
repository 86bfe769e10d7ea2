//! Redirects, followed by hand so that each hop is checked anew (RFC 9110, section 15.4).

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, Response, StatusCode};

use super::request::Request;

/// What an answer asks for.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing: it is the answer.
    Answer,
    Follow(Box<Request>),
    /// A redirect that leads nowhere.
    Lost(String),
}

pub(super) fn next(request: &Request, answer: &Response) -> Next {
    let status = answer.status();
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = answer.headers().get(LOCATION).filter(|_| is_redirect) else {
        return Next::Answer;
    };
    let target = location
        .to_str()
        .ok()
        .and_then(|text| request.url.join(text).ok());
    let Some(target) =
        target.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    else {
        return Next::Lost(format!("{status} with a Location that is no URL to follow"));
    };

    let mut next = request.clone();
    let is_elsewhere = target.origin() != request.url.origin();
    if is_elsewhere {
        next.drop_credentials();
    }
    next.url = target;
    if becomes_get(status, &request.method) {
        next.method = Method::GET;
        next.body = Vec::new();
        next.is_body_secret = false;
        next.headers.remove(CONTENT_TYPE);
    }
    if is_elsewhere && next.is_body_secret {
        return Next::Lost(format!(
            "{status} to another origin, which may not see the secrets in the body"
        ));
    }
    Next::Follow(Box::new(next))
}

/// 303 always asks for the result elsewhere; 301 and 302 do after a POST, as every browser does.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::SEE_OTHER => *method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        _ => false,
    }
}
