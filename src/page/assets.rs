//! Scripts, styles and pictures, in the binary; a debug build reads them from the source tree.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "src/page/assets"]
struct Files;

/// Where a browser gets an asset: another place whenever it is another one, so that it may be kept for ever.
pub fn place(name: &str) -> String {
    let version = Files::get(name).map(|file| version(&file)).unwrap_or_default();
    format!("/assets/{version}/{name}")
}

fn version(file: &EmbeddedFile) -> String {
    hex::encode(file.metadata.sha256_hash().get(..8).unwrap_or_default())
}

/// An asset, whatever version is asked for: a page of before an update still finds its script.
pub async fn asset(Path((asked, name)): Path<(String, String)>) -> Response {
    let Some(file) = Files::get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let kept = if asked == version(&file) { "public, max-age=31536000, immutable" } else { "no-cache" };
    served(file, &name, kept)
}

/// At the root, since it is for all pages.
pub async fn service_worker() -> Response {
    root("sw.js")
}

pub async fn manifest() -> Response {
    root("manifest.webmanifest")
}

fn root(name: &str) -> Response {
    Files::get(name).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| served(file, name, "no-cache"))
}

fn served(file: EmbeddedFile, name: &str, kept: &'static str) -> Response {
    let kind = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        Some(_) | None => "text/plain; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
        // A service worker and a worklet have the policy of what they came with.
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; connect-src 'self'")),
    ];
    (headers, file.data).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_has_a_place_of_its_own_for_each_content() {
        let place = place("app.css");
        let version = place.split('/').nth(2).unwrap();
        assert!(version.len() == 16 && version.bytes().all(|byte| byte.is_ascii_hexdigit()), "{place}");
    }
}
