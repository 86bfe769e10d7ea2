//! Which request it was that changed something foreign.

use anyhow::Result;

use super::{Detector, Finding, Round};
use crate::request::Request;

impl Round<'_> {
    /// Asks everything again, one request at a time, and looks after each. What was changed is put back.
    pub(super) async fn narrow(
        &self,
        lanes: &[usize],
        changed: Vec<String>,
    ) -> Result<Vec<Finding>> {
        let world = self.world;
        let mut findings = Vec::new();
        for lane in lanes {
            world.show_foreign().await?;
            world.put_back(*lane).await?;
            for (index, request) in self.sequences[*lane].iter().enumerate() {
                if let Some(places) = self.changed_by(*lane, request).await? {
                    let what = format!(
                        "changed rows of the foreign tenants in {}",
                        places.join(", ")
                    );
                    findings.push(self.finding(Detector::Change, *lane, index, what));
                    world.show_foreign().await?;
                }
            }
        }
        if findings.is_empty() {
            findings.push(Finding {
                detector: Detector::Change,
                round: self.number,
                lane: 0,
                index: None,
                what: format!(
                    "one of the requests of this round, or several together, changed rows of the foreign tenants in {}",
                    changed.join(", ")
                ),
                commands: String::new(),
            });
        }
        world.show_foreign().await?;
        Ok(findings)
    }

    async fn changed_by(&self, lane: usize, request: &Request) -> Result<Option<Vec<String>>> {
        let world = self.world;
        self.doors
            .send(request, &world.lanes[lane].people[request.actor])
            .await;
        if request.is_read() {
            return Ok(None);
        }
        let changed = world.changed().await?;
        Ok((!changed.is_empty()).then_some(changed))
    }
}
