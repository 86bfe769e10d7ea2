//! From a template and its variables to what a person reads.

use std::collections::BTreeMap;

use jiff::Timestamp;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

/// A name longer than this is cut: it is somebody else's text in a mail that is sent in the operator's name.
const LONGEST: usize = 120;

/// What a person reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A template that this release does not have; a later one may.
#[derive(Debug, thiserror::Error)]
#[error("this release has no mail template \"{0}\"")]
pub struct UnknownTemplate(String);

macro_rules! template {
    ($name:literal) => {
        (
            $name,
            [
                include_str!(concat!("templates/", $name, ".subject.txt")),
                include_str!(concat!("templates/", $name, ".txt")),
                include_str!(concat!("templates/", $name, ".html")),
            ],
        )
    };
}

/// Each a subject, a text and a page.
const TEMPLATES: [(&str, [&str; 3]); 5] = [
    template!("invitation"),
    template!("limit"),
    template!("payment_failed"),
    template!("receipt"),
    template!("trial_ending"),
];

/// All templates of mails.
pub struct Templates(Environment<'static>);

impl Templates {
    /// # Errors
    /// When a template does not parse.
    pub fn new() -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        // The name's end decides: what ends with .html is escaped.
        for (name, [subject, text, page]) in TEMPLATES {
            environment.add_template_owned(format!("{name}.subject.txt"), subject)?;
            environment.add_template_owned(format!("{name}.txt"), text)?;
            environment.add_template_owned(format!("{name}.html"), page)?;
        }
        Ok(Self(environment))
    }

    /// Renders a mail that carries a link.
    ///
    /// # Errors
    /// When there is no such template, or it fails.
    pub fn render(
        &self,
        template: &str,
        variables: &Value,
        link: &str,
    ) -> anyhow::Result<Rendered> {
        let page = self
            .0
            .get_template(&format!("{template}.html"))
            .map_err(|_| UnknownTemplate(one_line(template)))?;
        let mut context = readable(variables);
        context.insert("link", link.to_owned());
        let text = |name: String| self.0.get_template(&name)?.render(&context);
        Ok(Rendered {
            subject: one_line(&text(format!("{template}.subject.txt"))?),
            text: text(format!("{template}.txt"))?,
            html: page.render(&context)?,
        })
    }
}

/// The variables as they are shown: each one line, none without end. A line break in a name could otherwise begin a paragraph of its own,
/// as if the operator had written it.
fn readable(variables: &Value) -> BTreeMap<&str, String> {
    let mut readable = BTreeMap::new();
    for (name, value) in variables.as_object().into_iter().flatten() {
        let text = one_line(value.as_str().unwrap_or_default());
        let text = if name.ends_with("_at") {
            moment(&text)
        } else {
            shortened(text)
        };
        readable.insert(name.as_str(), text);
    }
    readable
}

/// Without line breaks, other control characters, and those that turn the direction of writing around; spaces one at a time.
pub(super) fn one_line(text: &str) -> String {
    let is_shown = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let spaced: String = text
        .chars()
        .map(|c| if is_shown(c) { c } else { ' ' })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn shortened(text: String) -> String {
    if text.chars().count() <= LONGEST {
        return text;
    }
    let kept: String = text.chars().take(LONGEST - 1).collect();
    format!("{kept}…")
}

/// A time as a person reads it; what is none is left out.
fn moment(text: &str) -> String {
    text.parse::<Timestamp>()
        .map(|time| time.strftime("%-d %B %Y, %H:%M UTC").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LINK: &str = "https://app.example.com/invitations#token=abc";

    fn render(variables: Value) -> Rendered {
        Templates::new()
            .unwrap()
            .render("invitation", &variables, LINK)
            .unwrap_or_else(|error| panic!("{error:#}"))
    }

    #[test]
    fn an_invitation_reads_well() {
        let mail = render(json!({
            "tenant_name": "Alpha & Sons", "role_name": "Editor", "invited_by": "Ada", "expires_at": "2026-01-31T09:05:00Z"
        }));
        assert_eq!(mail.subject, "Ada invites you to Alpha & Sons");
        assert_eq!(
            mail.text,
            "Ada invites you to join Alpha & Sons as Editor.\n\n\
             Accept or decline:\n\n\
             https://app.example.com/invitations#token=abc\n\n\
             The link works once, until 31 January 2026, 09:05 UTC. Whoever has it can use it, so do not pass it on.\n\
             If you did not expect this mail, you need not do anything."
        );
        assert!(
            mail.html
                .contains("<strong>Alpha &amp; Sons</strong> as Editor."),
            "{}",
            mail.html
        );
        assert!(mail.html.contains("href=\"https:"), "{}", mail.html);
        assert!(mail.html.contains("#token=abc\""), "{}", mail.html);
    }

    #[test]
    fn mails_about_money_read_well() {
        let render = |template, variables: Value| {
            Templates::new()
                .unwrap()
                .render(template, &variables, "https://pay.example/in_1")
                .unwrap_or_else(|error| panic!("{error:#}"))
        };
        let receipt = render(
            "receipt",
            json!({"tenant_name": "Alpha & Sons", "amount": "49.00 USD", "number": "A-1", "paid_at": "2026-01-31T09:05:00Z"}),
        );
        assert_eq!(receipt.subject, "Receipt for Alpha & Sons: 49.00 USD");
        assert_eq!(
            receipt.text,
            "49.00 USD for Alpha & Sons were paid on 31 January 2026, 09:05 UTC: invoice A-1. Thank you.\n\n\
             The invoice, to read and to keep:\n\n\
             https://pay.example/in_1\n\n\
             You get this mail because you look after the billing of Alpha & Sons."
        );
        let failed = render(
            "payment_failed",
            json!({"tenant_name": "Alpha", "amount": "49.00 USD", "suspended_at": "2026-02-07T09:05:00Z"}),
        );
        assert_eq!(failed.subject, "A payment for Alpha has failed");
        assert_eq!(
            failed.text,
            "The payment of 49.00 USD for Alpha has failed.\n\n\
             Pay the invoice, or pay with something else:\n\n\
             https://pay.example/in_1\n\n\
             Until 7 February 2026, 09:05 UTC everything goes on as before; what is not paid by then suspends Alpha until it is.\n\
             You get this mail because you look after the billing of Alpha."
        );
        assert!(failed.html.contains("href=\"https:"), "{}", failed.html);
        let ending = render(
            "trial_ending",
            json!({"tenant_name": "<b>", "plan_name": "Professional", "trial_ends_at": "2026-02-07T09:05:00+00:00"}),
        );
        assert_eq!(
            ending.subject,
            "The trial of <b> ends on 7 February 2026, 09:05 UTC"
        );
        assert!(
            ending.html.contains("&lt;b&gt;") && !ending.html.contains("<b>"),
            "{}",
            ending.html
        );
    }

    #[test]
    fn what_is_missing_is_left_out() {
        let mail = render(json!({"tenant_name": "Alpha", "invited_by": null, "role_name": null}));
        assert_eq!(mail.subject, "Somebody invites you to Alpha");
        assert!(
            mail.text
                .starts_with("Somebody invites you to join Alpha.\n"),
            "{}",
            mail.text
        );
        assert!(
            mail.text.contains("The link works once. Whoever"),
            "{}",
            mail.text
        );
    }

    #[test]
    fn a_limit_reads_well() {
        let render = |threshold: &str, resets_at: Value| {
            let variables = json!({
                "tenant_name": "Alpha & Sons", "meter": "llm_tokens", "threshold": threshold, "used": "80,000", "limit": "100,000", "resets_at": resets_at
            });
            let mail = Templates::new().unwrap().render("limit", &variables, LINK);
            mail.unwrap_or_else(|error| panic!("{error:#}"))
        };
        let mail = render("80", json!("2026-02-01T00:00:00Z"));
        assert_eq!(mail.subject, "Alpha & Sons has used 80 % of its tokens");
        assert_eq!(
            mail.text,
            "Alpha & Sons has used 80 % of its tokens: 80,000 of 100,000.\n\n\
             When all is used, what would take more is refused; it begins anew on 1 February 2026, 00:00 UTC.\n\
             A larger plan has more:\n\n\
             https://app.example.com/invitations#token=abc"
        );
        assert!(
            mail.html
                .contains("<strong>Alpha &amp; Sons</strong> has used 80 % of its tokens"),
            "{}",
            mail.html
        );
        let mail = render("100", Value::Null);
        assert_eq!(mail.subject, "Alpha & Sons has used all of its tokens");
        assert!(
            mail.text.contains("What would take more is refused.\n"),
            "{}",
            mail.text
        );
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let mail = render(json!({
            "tenant_name": "<img src=x onerror=alert(1)>\" '{{ link }}", "role_name": "a</p><a href=//evil>b</a>", "invited_by": "Ada"
        }));
        assert!(
            !mail.html.contains("<img") && !mail.html.contains("<a href=/"),
            "{}",
            mail.html
        );
        assert_eq!(
            mail.html.matches(LINK.split_once('#').unwrap().1).count(),
            1,
            "{}",
            mail.html
        );
        assert!(
            mail.text
                .contains("<img src=x onerror=alert(1)>\" '{{ link }}"),
            "{}",
            mail.text
        );
    }

    #[test]
    fn a_name_is_one_line_and_has_an_end() {
        let mail = render(json!({
            "tenant_name": "Alpha\r\n\r\nPay here:\u{2028}now\u{202e}", "invited_by": "x".repeat(10_000)
        }));
        assert!(
            mail.text.contains(" Alpha Pay here: now.\n"),
            "{}",
            mail.text
        );
        assert!(
            mail.subject
                .ends_with("x… invites you to Alpha Pay here: now"),
            "{}",
            mail.subject
        );
        assert!(mail.subject.chars().count() < 2 * LONGEST);
    }

    #[test]
    fn a_template_of_a_later_release_is_named() {
        let error = Templates::new()
            .unwrap()
            .render("postcard", &json!({}), LINK)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "this release has no mail template \"postcard\""
        );
    }
}
