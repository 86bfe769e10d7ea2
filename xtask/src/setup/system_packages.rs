//! What only the system's package manager can bring: a C compiler, libclang, and for the gates Postgres 15 and Python's venv.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::Needs;
use crate::command;
use crate::progress::{Progress, Step};

/// Installs what is missing on Debian as root or with sudo; elsewhere says what to type.
pub async fn bring(needs: Needs, progress: Progress) -> Result<()> {
    let missing = missing(needs).await;
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    let by_hand = format!("type `sudo apt-get update && sudo apt-get install -y {names}`");
    if !Path::new("/etc/debian_version").is_file() {
        bail!(
            "system packages are missing that Debian calls {names}; install your system's own (on Debian {by_hand}) and run this again"
        );
    }
    let Some(privilege) = privilege().await else {
        bail!(
            "system packages are missing, and installing them needs root: {by_hand}, then run this again"
        );
    };

    let step = progress.step(format!("system packages: {names}"));
    apt(privilege, &["update"], &step).await?;
    if missing.contains(&"postgresql-15") {
        keep_debian_from_making_a_cluster(privilege, &step).await?;
    }
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    apt(privilege, &install, &step)
        .await
        .with_context(|| format!("installing system packages; by hand: {by_hand}"))?;
    step.done_with(format!("system packages installed: {names}"));
    Ok(())
}

/// Debian's names of the packages that are needed and not there, by looking for what each brings.
async fn missing(needs: Needs) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !command::succeeds(Command::new("cc").arg("--version")).await {
        missing.extend(["gcc", "libc6-dev"]);
    }
    if !has_libclang() {
        missing.push("libclang-dev");
    }
    if needs == Needs::Tests {
        for (file, package) in [
            ("/usr/lib/postgresql/15/bin/postgres", "postgresql-15"),
            (
                "/usr/include/postgresql/15/server/postgres.h",
                "postgresql-server-dev-15",
            ),
            (
                "/usr/share/postgresql/15/extension/pgtap.control",
                "postgresql-15-pgtap",
            ),
        ] {
            if !Path::new(file).is_file() {
                missing.push(package);
            }
        }
        if !command::succeeds(Command::new("prove").arg("--version")).await {
            missing.push("perl");
        }
        if !command::succeeds(Command::new("curl").arg("--version")).await {
            missing.push("curl");
        }
        // Debian takes out of Python what a virtual environment is made with.
        if !command::succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])).await
        {
            missing.push("python3-venv");
        }
    }
    missing
}

/// bindgen loads libclang to read the server's headers. It looks in more places than these; a wrong "missing" only installs it.
fn has_libclang() -> bool {
    let mut places: Vec<std::path::PathBuf> = vec![
        "/usr/lib".into(),
        "/usr/lib64".into(),
        "/usr/local/lib".into(),
    ];
    places.push(format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH).into());
    places.push("/Library/Developer/CommandLineTools/usr/lib".into());
    places.push(
        "/Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib"
            .into(),
    );
    places.extend(std::env::var_os("LIBCLANG_PATH").map(Into::into));
    for entry in std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with("llvm") {
            places.push(entry.path().join("lib"));
        }
    }
    places
        .iter()
        .filter_map(|place| std::fs::read_dir(place).ok())
        .flatten()
        .flatten()
        .any(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            is_libclang(&name)
        })
}

/// libclang.so.1 alone is enough to run; the development package brings the headers that come with it. libclang-cpp is another library,
/// which comes with tools that bindgen has no use for.
fn is_libclang(name: &str) -> bool {
    name.starts_with("libclang.so")
        || name == "libclang.dylib"
        || (name.starts_with("libclang-") && !name.starts_with("libclang-cpp"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Privilege {
    Root,
    Sudo,
}

async fn privilege() -> Option<Privilege> {
    if rustix::process::geteuid().is_root() {
        return Some(Privilege::Root);
    }
    command::succeeds(Command::new("sudo").args(["-n", "true"]))
        .await
        .then_some(Privilege::Sudo)
}

fn privileged(privilege: Privilege, program: &str) -> Command {
    match privilege {
        Privilege::Root => Command::new(program),
        Privilege::Sudo => {
            let mut command = Command::new("sudo");
            command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", program]);
            command
        }
    }
}

async fn apt(privilege: Privilege, args: &[&str], step: &Step) -> Result<()> {
    let mut command = privileged(privilege, "apt-get");
    command
        .arg("--quiet")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command::watched(&mut command, step).await
}

/// Debian's package makes a cluster of its own and starts it on port 5432; nobody here needs it.
async fn keep_debian_from_making_a_cluster(privilege: Privilege, step: &Step) -> Result<()> {
    const SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";
    apt(
        privilege,
        &[
            "install",
            "-y",
            "--no-install-recommends",
            "postgresql-common",
        ],
        step,
    )
    .await?;
    let mut command = privileged(privilege, "sh");
    command.args(["-c", &format!("grep -q '^create_main_cluster = false' {SETTINGS} 2>/dev/null || echo 'create_main_cluster = false' >> {SETTINGS}")]);
    command::output(&mut command)
        .await
        .with_context(|| format!("changing {SETTINGS}"))?;
    Ok(())
}
