//! A mail as it came over the wire.

/// A mail that was taken over.
#[derive(Debug, Clone, Default)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub message: String,
}

impl Received {
    /// A header, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.message.split_once("\r\n\r\n")?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        head.split("\r\n").find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found == name).then(|| value.trim().to_owned())
        })
    }

    /// The names of all headers, in their order.
    pub fn headers(&self) -> Vec<&str> {
        let (head, _) = self.message.split_once("\r\n\r\n").unwrap_or_default();
        head.split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| Some(line.split_once(':')?.0))
            .collect()
    }

    /// Text and page, with quoted-printable (RFC 2045, section 6.7) undone as far as ASCII goes, and the escaping of slashes in the page.
    pub fn body(&self) -> String {
        let (_, body) = self.message.split_once("\r\n\r\n").unwrap_or_default();
        body.replace("=\r\n", "")
            .replace("=3D", "=")
            .replace("&#x2f;", "/")
    }

    /// The token in its link.
    pub fn token(&self) -> String {
        let body = self.body();
        let (_, after) = body.split_once("#token=").expect("a link with a token");
        after
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            .collect()
    }
}
