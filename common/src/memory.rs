//! How much memory there is: what the machine has, and what a container was given of it.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Of the memory there is, the share this process may have: the kernel ends who takes the rest.
const SHARE: f64 = 0.9;

/// Above this a limit is a way to say that there is none.
const LARGEST_LIMIT_BYTES: u64 = 1 << 60;

/// What a process may use that was given so much: less where there is less. Says so with the memory there is.
pub fn within_reach(given_bytes: u64) -> (u64, Option<u64>) {
    fitted(given_bytes, there_is(Path::new("/")))
}

fn fitted(given_bytes: u64, there_is: Option<u64>) -> (u64, Option<u64>) {
    let reach = there_is.map(|bytes| (bytes as f64 * SHARE) as u64);
    match reach.filter(|reach| *reach < given_bytes) {
        Some(reach) => (reach, there_is),
        None => (given_bytes, None),
    }
}

/// The smallest of the machine's memory and the limits of the control groups this process is in, in either version of
/// them; `root` is where the file system begins.
fn there_is(root: &Path) -> Option<u64> {
    let groups = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(limit_files).flat_map(|(mount, path, name)| {
        let mount = root.join(mount);
        // Inside a container the path is that of the host, and the mount itself is the container's group.
        let folders: Vec<PathBuf> =
            path.ancestors().map(|above| mount.join(above.strip_prefix("/").unwrap_or(above))).collect();
        folders.into_iter().filter_map(move |folder| number(&folder.join(name)))
    });
    limits.chain(machine(root)).filter(|bytes| *bytes < LARGEST_LIMIT_BYTES).min()
}

/// Where a line of `/proc/self/cgroup` says that a limit would be: mount, path and file.
fn limit_files(line: &str) -> Option<(&'static str, &Path, &'static str)> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, Path::new(parts.next()?));
    match controllers {
        "" => Some(("sys/fs/cgroup", path, "memory.max")),
        some if some.split(',').any(|each| each == "memory") => {
            Some(("sys/fs/cgroup/memory", path, "memory.limit_in_bytes"))
        }
        _ => None,
    }
}

fn number(file: &Path) -> Option<u64> {
    read_to_string(file).ok()?.trim().parse().ok()
}

fn machine(root: &Path) -> Option<u64> {
    let all = read_to_string(root.join("proc/meminfo")).ok()?;
    let total = all.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine_with(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        there_is(root.path())
    }

    #[test]
    fn the_smallest_limit_holds() {
        let host = ("proc/meminfo", "MemTotal:       4000 kB\nMemFree:        10 kB\n");
        assert_eq!(machine_with(&[]), None);
        assert_eq!(machine_with(&[host]), Some(4_096_000));
        let second = ("proc/self/cgroup", "0::/jobs/night\n");
        let above = ("sys/fs/cgroup/jobs/memory.max", "3000000\n");
        let own = ("sys/fs/cgroup/jobs/night/memory.max", "max\n");
        assert_eq!(machine_with(&[host, second, above, own]), Some(3_000_000), "a group above it is smaller");
        let container = ("sys/fs/cgroup/memory.max", "2000000\n");
        assert_eq!(machine_with(&[host, second, container]), Some(2_000_000), "the path is the host's");
        let first = ("proc/self/cgroup", "5:devices:/\n4:cpu,memory:/jobs\n0::/\n");
        let limit = ("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "1000000\n");
        let none = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(machine_with(&[host, first, limit, none]), Some(1_000_000));
        assert_eq!(machine_with(&[host, first, none]), Some(4_096_000));
    }

    #[test]
    fn what_was_given_is_cut_only_where_there_is_less() {
        assert_eq!(fitted(100, None), (100, None));
        assert_eq!(fitted(100, Some(1_000)), (100, None));
        assert_eq!(fitted(1_000, Some(1_000)), (900, Some(1_000)));
    }
}
