mod cluster; mod load; mod machine; mod news; mod shipped; mod simple; mod statistics; mod workload;
use workload::*; use cluster::*; use statistics::*;
fn main(){
    let a: Vec<String> = std::env::args().collect();
    let f = |i: usize, d: f64| a.get(i).and_then(|s| s.parse().ok()).unwrap_or(d);
    let hosts=f(1,100.) as usize; let load=f(2,0.8); let mean=f(3,10.); let homes=f(4,10.) as usize; let seeds=f(5,4.) as u64; let mixed=f(6,0.)>0.; let par=f(7,0.)>0.;
    let w=Workload{hosts,machines: if mixed {Machines::Mixed} else {Machines::Equal},load,lengths: if par {Lengths::Pareto} else {Lengths::Exponential},mean,homes};
    let n=(w.running()*2.0).max(4000.0).max(5.0/w.gap()) as usize; let jobs=Jobs{warm_up:n/2,counted:n,afterwards:n/4};
    println!("{w:?} {jobs:?}");
    macro_rules! go { ($n:expr,$p:expr)=>{{ let t=std::time::Instant::now(); let o:Vec<Outcome>=(0..seeds).map(|s|{ let mut p=$p; Outcome::of(run(&w,&mut p,jobs,s*7919+1)) }).collect();
      let m=Spread::of(o.iter().map(|o|o.mean)); let p=Spread::of(o.iter().map(|o|o.p99)); println!("{:12} {:7.3} +-{:.3}  p99 {:7.3} +-{:.3}  {:?}",$n,m.mean,m.deviation,p.mean,p.deviation,t.elapsed()/seeds as u32); }} }
    go!("all-knowing",simple::AllKnowing);
    { let t=std::time::Instant::now(); let mut c=(0.,0.,0.); let o:Vec<Outcome>=(0..seeds).map(|s|{ let mut p=shipped::Shipped::new(homes); let r=Outcome::of(run(&w,&mut p,jobs,s*7919+1)); c.0+=p.counts.asked as f64;c.1+=p.counts.placed as f64;c.2+=p.counts.news as f64; r}).collect();
      let m=Spread::of(o.iter().map(|o|o.mean)); let p=Spread::of(o.iter().map(|o|o.p99)); println!("{:12} {:7.3} +-{:.3}  p99 {:7.3} +-{:.3}  {:?} asks/job {:.3} news/job {:.2}","shipped",m.mean,m.deviation,p.mean,p.deviation,t.elapsed()/seeds as u32,c.0/c.1,c.2/c.1); }
    if f(8,0.)>0. { return }
    go!("random",simple::AtRandom::new());
    go!("round robin",simple::AtRandom::in_turn());
    go!("least load",simple::LeastLoad::new());
    go!("vload",simple::VirtualLoad::new());
}
