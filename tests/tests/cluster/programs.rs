//! Whole programs that put their parts on hosts by queue: Open MPI and make.

use std::fs;
use std::path::Path;

use queue_tests::cluster::Cluster;
use queue_tests::process::{Ended, PATIENCE, Process};
use queue_tests::programs;
use queue_tests::wait::until;

/// Runs a script on redfish, in the shared directory, with `qsh` in the PATH.
fn shell(cluster: &Cluster, script: &str) -> Ended {
    let shared = cluster.shared();
    let bin = shared.join("bin");
    if !bin.exists() {
        fs::create_dir(&bin).expect("ours");
        std::os::unix::fs::symlink(programs::queue(), bin.join("qsh")).expect("ours");
    }
    let script = format!("export PATH={0}/bin:$PATH HOME={0}; cd {0}; {script}", shared.display());
    Process::start(cluster.command("redfish", &["bash", "-c", &script])).end_within(PATIENCE * 6)
}

/// Each rank says where it is; told to, rank 2 gives up while the others wait.
const RANKS: &str = r#"
#include <mpi.h>
#include <stdio.h>
#include <unistd.h>
int main(int count, char **words) {
    int rank, one = 1, sum;
    char host[64];
    MPI_Init(&count, &words);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    gethostname(host, sizeof host);
    printf("%d of %d on %s\n", rank, sum, host);
    fflush(stdout);
    if (count > 1) {
        if (rank == 2) MPI_Abort(MPI_COMM_WORLD, 9);
        sleep(1000);
    }
    MPI_Finalize();
    return 0;
}
"#;

#[test]
fn open_mpi_runs_over_three_hosts_and_a_rank_that_aborts_leaves_nothing_behind() {
    let cluster = Cluster::up(3);
    cluster.until_all_are_open();
    fs::write(cluster.shared().join("ranks.c"), RANKS).expect("ours");
    shell(&cluster, "mpicc -o ranks ranks.c").success();
    let run = "mpirun --allow-run-as-root --mca plm_rsh_agent qsh --mca btl tcp,self --mca btl_tcp_if_exclude lo \
               -H redfish:1,bluefish:1,onefish:1 ./ranks";
    let mut lines = shell(&cluster, run).success().text().lines().map(str::to_owned).collect::<Vec<_>>();
    lines.sort();
    assert_eq!(lines, ["0 of 3 on redfish", "1 of 3 on bluefish", "2 of 3 on onefish"]);
    let aborted = shell(&cluster, &format!("{run} abort"));
    assert_eq!(aborted.code(), Some(9), "{}", aborted.errors());
    for host in ["redfish", "bluefish", "onefish"] {
        until(&format!("nothing is left on {host}"), PATIENCE, || {
            let all = Process::start(cluster.command(host, &["ps", "-eo", "comm="])).end().success().text();
            (!all.lines().any(|name| matches!(name, "ranks" | "orted" | "mpirun"))).then_some(())
        });
    }
}

fn objects(place: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place).expect("ours").flatten() {
        let name = entry.file_name().into_string().expect("letters");
        if name.ends_with(".o") || name == "program" {
            found.push((name, fs::read(entry.path()).expect("ours")));
            fs::remove_file(entry.path()).expect("ours");
        }
    }
    found.sort();
    found
}

#[test]
fn make_builds_the_same_with_queue_as_its_shell() {
    let cluster = Cluster::up(3);
    cluster.until_all_are_open();
    let place = cluster.shared();
    for number in 0..150 {
        let main = if number == 0 { "int main(void) { return f149(1); }\n" } else { "" };
        let source = format!("int f149(int);\nint f{number}(int a) {{ return a + {number}; }}\n{main}");
        fs::write(place.join(format!("f{number}.c")), source).expect("ours");
    }
    let rules = "program: $(patsubst %.c,%.o,$(wildcard f*.c))\n\tcc -o $@ $^\n\
                 %.o: %.c\n\t@cc -c -o $@ $< && hostname >>hosts\n";
    fs::write(place.join("Makefile"), rules).expect("ours");
    shell(&cluster, "make -j4").success();
    let alone = objects(&place);
    assert_eq!(alone.len(), 151);
    fs::remove_file(place.join("hosts")).expect("ours");
    shell(&cluster, "make -j6 SHELL=queue .SHELLFLAGS='-n -- sh -c'").success();
    assert!(objects(&place) == alone, "an object is not what it was");
    let hosts = fs::read_to_string(place.join("hosts")).expect("written");
    assert_eq!(hosts.lines().count(), 150);
    for host in ["redfish", "bluefish", "onefish"] {
        assert!(hosts.lines().any(|line| line == host), "nothing ran on {host}");
    }
    // What fails there fails here, and nothing half-made stays.
    fs::write(place.join("f7.c"), "int f7(\n").expect("ours");
    let failed = shell(&cluster, "make -j6 SHELL=queue .SHELLFLAGS='-n -- sh -c'");
    assert_eq!(failed.code(), Some(2));
    assert!(failed.errors().contains("f7.o] Error 1"), "{}", failed.errors());
}
