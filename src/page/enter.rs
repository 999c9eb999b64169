//! Coming in: the log-in, and where one is then.

use super::{Pages, Seen, context, redirect};
use crate::api::Problem;
use crate::api::http::{From, Secure, cookie_named, session_cookie};
use axum::extract::{FromRequestParts, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The first page.
pub async fn home() -> Response {
    redirect("/calls")
}

/// The form of the log-in.
pub async fn ask(State(pages): State<Pages>, RawQuery(query): RawQuery, request: Request) -> Response {
    let seen = Seen::of(&request);
    let said = Said::read(query.as_deref().unwrap_or_default());
    form(&pages, &seen, &said, None)
}

/// Logs in, and leads to where one wanted to go.
pub async fn log_in(State(pages): State<Pages>, request: Request) -> Response {
    let seen = Seen::of(&request);
    let (mut parts, body) = request.into_parts();
    let from = From::from_request_parts(&mut parts, &pages.shared).await;
    let secure = Secure::from_request_parts(&mut parts, &pages.shared).await;
    let (Ok(From(source)), Ok(Secure(secure))) = (from, secure) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    // A form of another site that logs somebody in as somebody else.
    if !is_own(&seen.headers) {
        return (StatusCode::FORBIDDEN, "log in on the page of this service").into_response();
    }
    let Ok(body) = axum::body::to_bytes(body, super::FORM).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let said = Said::read(&String::from_utf8_lossy(&body));
    let company = Some(said.company.as_str()).filter(|company| !company.is_empty());
    match pages.shared.desk.log_in(company, &said.user, &said.password, source).await {
        Ok(logged_in) => match session_cookie(&logged_in.grant.secret, secure) {
            Ok(cookie) => {
                let mut response = redirect(said.next());
                response.headers_mut().append(header::SET_COOKIE, cookie);
                // The next time the company stands there already.
                let last = super::ask::quoted(&said.company);
                let kept =
                    format!("telegraphone_last={last}; Path=/login; Max-Age=31536000; SameSite=Strict; HttpOnly");
                response.headers_mut().extend(HeaderValue::from_str(&kept).ok().map(|kept| (header::SET_COOKIE, kept)));
                response
            }
            Err(problem) => form(&pages, &seen, &said, Some(&problem)),
        },
        Err(problem) => form(&pages, &seen, &said, Some(&problem)),
    }
}

/// Whether the form was this page's own: browsers say so.
fn is_own(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if let Some(site) = site {
        return ["same-origin", "none"].contains(&site);
    }
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    origin.is_none_or(|origin| origin.split_once("://").is_some_and(|(_, named)| named == host))
}

fn form(pages: &Pages, seen: &Seen, said: &Said, problem: Option<&Problem>) -> Response {
    let mut context = context(seen, None);
    let last = cookie_named(&seen.headers, "telegraphone_last").unwrap_or_default();
    let last = || form_urlencoded::parse(last.as_bytes()).next().map(|(last, _)| last.into_owned());
    let company = if said.company.is_empty() { last().unwrap_or_default() } else { said.company.clone() };
    let locked = match problem {
        Some(Problem::LockedOut { retry_s }) => Some(*retry_s),
        Some(_) | None => None,
    };
    let form = json!({
        "company": company, "user": said.user, "next": said.next(),
        "problem": problem.map(Problem::title), "retry": locked,
        // Whoever follows a link from elsewhere, a mail, brings no session along (SameSite): asked for from
        // here there may be one.
        "foreign": seen.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site"),
    });
    context.insert("form".to_owned(), form);
    let status = problem.and_then(|problem| StatusCode::from_u16(problem.status()).ok()).unwrap_or(StatusCode::OK);
    pages.page("login.html", status, context)
}

/// What the form, or the way to it, says.
#[derive(Default)]
struct Said {
    company: String,
    user: String,
    password: String,
    next: String,
}

impl Said {
    fn read(text: &str) -> Self {
        let mut said = Said::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
            match name.as_str() {
                "company" => said.company = value.trim().to_owned(),
                "user" => said.user = value.trim().to_owned(),
                "password" => said.password = value,
                "next" => said.next = value,
                _ => {}
            }
        }
        said
    }

    /// Where one goes then: a page of this service, and never another host.
    fn next(&self) -> &str {
        let ours = self.next.starts_with('/')
            && !self.next.starts_with("//")
            && !self.next.contains('\\')
            && self.next.bytes().all(|byte| byte.is_ascii_graphic());
        let page = ours && !self.next.starts_with("/login") && !self.next.starts_with("/api/");
        if page { &self.next } else { "/calls" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_led_to_a_page_of_this_service_only() {
        for (next, led) in [
            ("/calls/1?x=2", "/calls/1?x=2"),
            ("//evil.example/", "/calls"),
            ("/\\evil.example", "/calls"),
            ("https://evil.example", "/calls"),
            ("/login?next=/", "/calls"),
            ("/a\r\nSet-Cookie: x", "/calls"),
            ("", "/calls"),
        ] {
            let said = Said { next: next.to_owned(), ..Said::default() };
            assert_eq!(said.next(), led, "{next}");
        }
    }

    #[test]
    fn a_form_of_another_site_logs_nobody_in() {
        for (name, value, own) in [
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "cross-site", false),
            ("sec-fetch-site", "same-site", false),
            ("origin", "https://calls.example", true),
            ("origin", "https://evil.example", false),
            ("origin", "null", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "calls.example".parse().unwrap());
            headers.insert(name, value.parse().unwrap());
            assert_eq!(is_own(&headers), own, "{name}: {value}");
        }
    }
}
