use std::time::Duration;

use super::{Chore, Turn};
use crate::secrets::KeyKeeper;

impl Chore for KeyKeeper {
    const NAME: &'static str = "keep_keys";
    const REST: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(600));

    async fn turn(&self) -> anyhow::Result<Turn> {
        self.turn().await.map(Turn::more_if)
    }
}
