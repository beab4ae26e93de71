//! `simulate table [--quick]`: judges the table of hosts. How soon do all know all, how old is
//! news, how soon is a death noticed, how often one that did not happen, and what does all that
//! cost? The daemons' tables are those that ship (`queued::core::table`); simulated are the
//! network and the hosts. What is printed stands, explained, in `docs/host-table.md`.

mod cost;
mod host;
mod load;
mod network;
mod trial;

use trial::{Figures, Size};

/// Prints the table. `--quick` leaves out the larger clusters, `--hosts=N` all but one.
pub fn run(args: &[String]) {
    let quick = args.iter().any(|arg| arg == "--quick");
    let only: Option<usize> = args.iter().find_map(|arg| arg.strip_prefix("--hosts=")?.parse().ok());
    let sizes = Size::all().filter(|size| match only {
        Some(hosts) => size.hosts == hosts,
        None => !quick || size.hosts <= 30,
    });
    let figures: Vec<Figures> = sizes.map(|size| trial::run(&size)).collect();
    print(&figures);
}

fn print(columns: &[Figures]) {
    let names = columns.first().into_iter().flat_map(|column| &column.rows).map(|(name, _)| *name);
    print_row("hosts", columns.iter().map(|column| column.hosts.to_string()));
    for (row, name) in names.enumerate() {
        print_row(name, columns.iter().map(|column| column.rows[row].1.clone()));
    }
}

fn print_row(name: &str, figures: impl Iterator<Item = String>) {
    let figures: String = figures.map(|figure| format!("{figure:>10}")).collect();
    println!("{name:<54}{figures}");
}
