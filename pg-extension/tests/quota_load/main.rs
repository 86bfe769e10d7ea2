//! One client process of the load tests: reads a load as JSON, runs it, and prints what became of it as JSON.

use support::load::Load;

#[tokio::main]
#[expect(
    clippy::print_stdout,
    reason = "its outcome goes to the test that started it"
)]
async fn main() -> anyhow::Result<()> {
    let load: Load = serde_json::from_reader(std::io::stdin().lock())?;
    println!("{}", serde_json::to_string(&load.run().await)?);
    Ok(())
}
