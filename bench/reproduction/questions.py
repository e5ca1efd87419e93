"""The questions of a reviewer: text whose numbers and conclusions come from the runs. A question whose runs are missing says which."""
import math
import os
import statistics

from charts import read_array
from tables import change, number, verdict

BEST = {"frechet_distance": "FD", "high_quality_fraction": "high quality", "mass_total_variation_all": "mass TV, all", "intra_fid.mean": "intra-FD"}
SHAPE = {"high_quality_fraction": dict(unit=" points", digits=2, factor=100), "mass_total_variation_all": dict(digits=3), "frechet_distance": dict(digits=2),
         "intra_fid.mean": dict(digits=2), "modes_recovered": dict(digits=1), "recall": dict(digits=3), "precision": dict(digits=3)}


def compared(group, method, base, metric):
    """"FD lower by 3.1 (...)"."""
    return f"{BEST.get(metric, metric)} {verdict(change(group, method, base, metric).values(), **SHAPE.get(metric, {}))}"


def between(one, other, method, metric):
    """The same over two groups, paired by seed."""
    a, b = one.values(method, metric), other.values(method, metric)
    return f"{BEST.get(metric, metric)} {verdict([a[s] - b[s] for s in a if s in b], **SHAPE.get(metric, {}))}"


def step_size(results):
    lines = ["Algorithm 1 is not corrected: large steps are biased, small ones stay where they began; which step is best depends on what is asked for."]
    found = [(v, g) for v, _, g in results.variants("step_sizes")]
    if not found:
        return lines + [results.missing("step_sizes", next(iter(results.parts["step_sizes"].variants)))]
    lines.append(f"25 Gaussians, high quality and mass TV of all samples after {found[0][1].reports[0]['methods']['ddls']['steps']} steps (generator: "
                 f"{value(found[0][1], 'generator', 'high_quality_fraction', 100)} %, {value(found[0][1], 'generator', 'mass_total_variation_all', 1, 3)}): " + "; ".join(
                     f"{v}: {value(g, 'ddls', 'high_quality_fraction', 100)} %, {value(g, 'ddls', 'mass_total_variation_all', 1, 3)}" for v, g in found) + ".")
    best = {m: pick(found, key=lambda f, m=m: mean(f[1].values("ddls", m).values()))[0] for m, pick in (("high_quality_fraction", max), ("mass_total_variation_all", min))}
    lines.append(f"Best by high quality: {best['high_quality_fraction']}; by mass TV: {best['mass_total_variation_all']}.")
    schedule = results.group("gaussians25").values("ddls", "high_quality_fraction")
    if schedule:
        lines.append(f"The recipe's falling step ends at {number(schedule.values(), 100)} % and {value(results.group('gaussians25'), 'ddls', 'mass_total_variation_all', 1, 3)}.")
    return lines


def mean(values):
    values = list(values)
    return statistics.fmean(values) if values else None


def value(group, method, metric, factor=1, digits=2):
    return number(group.values(method, metric).values(), factor, digits) or "not measured"


def nats(group):
    return next(([e["nats"] for e in of.values() if e.get("nats") is not None] for of in group.energies.values()), [])


def class_mass(folder):
    """{class: (log Z, share of the mass that p0 e^r would give it)} from the prior draws that judged the energy; {} where the run is not conditional."""
    try:
        files = sorted(f for f in os.listdir(os.path.join(folder, "energies")) if f.endswith(".npz"))
        ratios, labels = (read_array(os.path.join(folder, "energies", files[0]), name)[1] for name in ("log_ratio", "labels"))
    except (OSError, IndexError, KeyError):
        return {}
    sums = {}
    for ratio, label in zip(ratios, labels):
        if math.isfinite(ratio):
            total, count = sums.get(label, (0.0, 0))
            sums[label] = (total + math.exp(min(ratio, 700)), count + 1)
    z = {label: total / count for label, (total, count) in sums.items()}
    return {label: (math.log(z[label]), z[label] / sum(z.values())) for label in sorted(z)}


def conditional(results):
    lines = ["With labels, E and r are those given y: p(w | y) ~ p0(w) e^{r(G(w, y), y)} is corrected class by class, and a chain keeps its label. What a "
             "class's own r is off by a constant, log p_d(y) - log p_g(y) in particular, is constant in w and changes nothing; the mass of the classes is that of "
             "the labels that are drawn, by construction. Only a sampler that could change y would see the normalisers Z_y = E[e^r | y]."]
    if missing := results.missing("mnist_cgan", "off"):
        return lines + [missing]
    group = results.group("mnist_cgan", "off")
    mass = class_mass(group.runs[0].folder)
    if mass:
        shares, logs = [s for _, s in mass.values()], [z for z, _ in mass.values()]
        lines.append(f"On MNIST ({len(mass)} classes, conditional perceptrons, the discriminator as the energy) log Z_y is between {min(logs):.3f} and {max(logs):.3f}: chains that "
                     f"could change their class would leave between {100 * min(shares):.1f} and {100 * max(shares):.1f} % of the mass in a class, where the data have about "
                     f"{100 / len(mass):.0f} %. " + ("So the scores of the classes are comparable here." if max(shares) - min(shares) < 0.02 else
                                                       "So keeping the label is not only cheaper: the discriminator's scores are not comparable between classes."))
    for method in [m for m in group.rows if m not in ("generator", "real data")]:
        lines.append(f"- `{method}` against the generator: {compared(group, method, 'generator', 'intra_fid.mean')}; {compared(group, method, 'generator', 'frechet_distance')}.")
    if values := nats(group):
        lines.append(f"The energy gains {number(values, 1, 4)} nats on held-out reals: " + (
            "by its own judgement little is left to correct." if mean(values) < 0.1 else "that is what a sampler can use."))
    return lines


def pixel_latent(results):
    lines = ["Latent chains stay on what the generator can make and carry the prior's term; chains on pixels follow r alone, have no p_g in their law, and leave the "
             "set on which r was fitted."]
    if missing := results.missing("pixel_latent", "latents"):
        lines.append(missing)
    else:
        group = results.group("pixel_latent", "latents")
        base, latent = group.values("generator", "frechet_distance"), group.values("ddls", "frechet_distance")
        lines.append(f"Fashion-MNIST, the generator's FD is {number(base.values())}. Latents, 24 steps of 0.02: {number(latent.values())}, {compared(group, 'ddls', 'generator', 'frechet_distance')}, "
                     f"in {number(group.rows['ddls'].costs['seconds'].values(), 1, 1)} s.")
        better = []
        for variant, title, other in results.variants("pixel_latent"):
            moved = other.values("pixel_langevin", "frechet_distance")
            differences = [moved[s] - base[s] for s in moved if s in base]
            if differences:
                better.append(mean(differences) < 0)
                lines.append(f"- {title}, 46 steps: FD {number(moved.values())}, {verdict(differences)}, in {number(other.rows['pixel_langevin'].costs['seconds'].values(), 1, 1)} s.")
        if better:
            lines.append("No step on pixels is better than the generator." if not any(better) else f"{sum(better)} of {len(better)} steps on pixels have a lower mean FD than the generator.")
    if not results.missing("gaussians25"):
        group = results.group("gaussians25")
        lines.append(f"25 Gaussians: high quality {value(group, 'generator', 'high_quality_fraction', 100)} % (generator), {value(group, 'ddls', 'high_quality_fraction', 100)} % (latents, DDLS), "
                     f"{value(group, 'pixel_langevin', 'high_quality_fraction', 100)} % (Langevin on the points); mass TV of all samples {value(group, 'ddls', 'mass_total_variation_all', 1, 3)} "
                     f"and {value(group, 'pixel_langevin', 'mass_total_variation_all', 1, 3)}.")
    return lines


def in_training(results):
    lines = ["DDLS needs no change of training: r comes afterwards. In training, refined latents make the generator learn at samples that are better than those it will be "
             "sampled for (`generator`), or make the discriminator the energy of p_g e^d (`negatives`, `both`); docs/training.md says what each optimises."]
    if missing := results.missing("refined_training", "off"):
        lines.append(missing)
    else:
        off = results.group("refined_training", "off")
        lines.append(f"25 Gaussians, `off`: generator {value(off, 'generator', 'high_quality_fraction', 100)} % of high quality, with DDLS {value(off, 'ddls', 'high_quality_fraction', 100)} %; training took "
                     f"{number([r['seconds']['train'] for r in off.reports], 1, 0)} s.")
        for variant, title, group in results.variants("refined_training"):
            if variant != "off":
                lines.append(f"- `{variant}` beside `off`, generator: {between(group, off, 'generator', 'high_quality_fraction')}, {between(group, off, 'generator', 'mass_total_variation_all')}; with DDLS at "
                             f"evaluation: {between(group, off, 'ddls', 'high_quality_fraction')}, {between(group, off, 'ddls', 'mass_total_variation_all')}; modes {value(group, 'generator', 'modes_recovered', 1, 1)}; "
                             f"training {number([r['seconds']['train'] for r in group.reports], 1, 0)} s.")
    for variant in ("off", "generator"):
        if missing := results.missing("mnist_cgan", variant):
            return lines + [f"MNIST: {missing}"]
    one, other = results.group("mnist_cgan", "generator"), results.group("mnist_cgan", "off")
    return lines + [f"MNIST, with beside without: generator {between(one, other, 'generator', 'frechet_distance')}; after DDLS {between(one, other, 'ddls', 'frechet_distance')}."]


def brought_back(group):
    """(method, its modes, the generator's): the sampler with most modes, of all chains of all seeds."""
    found = {m: mean(group.values(m, "modes_recovered").values()) for m in group.rows if m not in ("generator", "real data")}
    best = max(found, key=lambda m: (found[m], -mean(group.values(m, "mass_total_variation_all").values())))
    return best, found[best], mean(group.values("generator", "modes_recovered").values())


def mode_dropping(results):
    lines = ["By Theorem 1 the law is p_g e^r / Z: what has no density under p_g has none afterwards, whatever r and whatever the kernel. A mode that is missing among some thousand samples may yet have "
             "density. By Corollary 2 noise on the output makes the supports equal, so every mode has some; how much decides whether a sampler can find it, and the effective share of prior draws tells."]
    found = results.variants("mode_dropping")
    if not found:
        return lines + [results.missing("mode_dropping")]
    for variant, title, group in found:
        best, modes, _ = brought_back(group)
        ess = [e["ess_fraction"] for of in group.energies.values() for e in of.values() if e.get("ess_fraction")]
        lines.append(f"- {title}: generator {value(group, 'generator', 'modes_recovered', 1, 1)} modes, {value(group, 'generator', 'high_quality_fraction', 100, 1)} % of high quality; DDLS "
                     f"{value(group, 'ddls', 'modes_recovered', 1, 1)} modes, {value(group, 'ddls', 'high_quality_fraction', 100, 1)} %, mass TV of all {value(group, 'ddls', 'mass_total_variation_all', 1, 3)}; most modes: "
                     f"{best}, {value(group, best, 'modes_recovered', 1, 1)}, {value(group, best, 'high_quality_fraction', 100, 1)} %, {value(group, best, 'mass_total_variation_all', 1, 3)}; ESS of the energy {number(ess, 100, 2) or '-'} %.")
    by_name = {v: g for v, _, g in found}
    for name, noisy in (("", "noise-"), ("line", "line-noise-")):
        if name not in by_name:
            continue
        best, modes, own = brought_back(by_name[name])
        text = f"{'Line' if name else 'Plane'}: without noise the sampler with most modes ({best}) has {modes:.1f} beside the generator's {own:.1f}: " + (
            "all are brought back, so they were rare and not missing." if modes > 24.99 else "some were rare and are brought back, the rest is not." if modes > own + 1 else "what the generator misses stays missing.")
        with_noise = {v: brought_back(g) for v, g in by_name.items() if v.startswith(noisy)}
        if with_noise:
            top = max(with_noise, key=lambda v: (with_noise[v][1], -mean(by_name[v].values(with_noise[v][0], "mass_total_variation_all").values())))
            text += f" With noise the most are {with_noise[top][1]:.1f} ({top}, {with_noise[top][0]}); DDLS has {value(by_name[top], 'ddls', 'modes_recovered', 1, 1)} there, {value(by_name[top], 'ddls', 'high_quality_fraction', 100, 1)} % of high quality."
        lines.append(text)
    return lines


def scores(results):
    lines = ["Only a logistic loss has the log-ratio as its optimum. A hinge or WGAN score orders samples, but its scale is no probability's: taken as r it is an energy of some other law. "
             "nats say what each is worth on reals that nothing saw (0: the generator; negative: harm), and i-SIR, which is exact, shows that law."]
    done = False
    for loss in ("non_saturating", "hinge", "wasserstein"):
        rows = [(v, t, g) for v, t, g in results.variants("scores") if v.startswith(loss + "-")]
        for variant, title, group in rows:
            done = True
            lines.append(f"- {title}: {number(nats(group), 1, 3) or 'nats unknown'} nats; i-SIR against its generator: {compared(group, 'isir', 'generator', 'high_quality_fraction')}, "
                         f"{compared(group, 'isir', 'generator', 'mass_total_variation_all')}.")
        worth = {v: mean(nats(g)) for v, _, g in rows if nats(g)}
        if len(worth) > 1 and f"{loss}-scale" in worth:
            best = max(worth, key=worth.get)
            lines.append(f"  For {loss}: raw {worth[f'{loss}-scale']:.3f} nats, " + ("and no calibration gains more." if best == f"{loss}-scale" else
                         f"most with {best.split('-')[-1]}, {worth[best]:.3f}: calibration is worth {worth[best] - worth[f'{loss}-scale']:.3f} nats."))
    return lines if done else lines + [results.missing("scores", next(iter(results.parts["scores"].variants)))]


def biggan(results):
    lines = ["The program has BigGAN's architecture, takes weights of published networks, and samples any GAN that is given as a file (docs/export.md). No trained BigGAN-class network was at hand "
             "and none is trained on two cores, so no quality is claimed. What a run would cost here:"]
    for name, measured in results.benches().items():
        speed = measured["chain_steps_per_second"]["median"]
        lines.append(f"- {name}: {speed:.1f} chain-steps/s at {measured['ranks']} rank(s) of this machine, so 50 000 samples of 100 steps take {50000 * 100 / speed / 3600:.0f} h.")
    if not results.benches():
        lines.append("- not measured: `launch/reproduce.sh --only biggan`.")
    return lines + ["Not run: `launch/run.sh configs/cifar10-biggan.yaml` (long training on GPUs), or `ddls_dist sample --generator G --discriminator D` on published weights with a calibration of its hinge score, then "
                    "`ddls_dist evaluate`."]


def own_law(group, metric):
    """(value, standard error) of p0 e^r itself as the weights have it, at the methods' number of samples where that is known; (None, 0) without."""
    metrics = [e.get("metrics") or {} for of in group.energies.values() for e in of.values()]
    values = [m.get(f"{metric}_at_count", m.get(metric)) for m in metrics if metric in m]
    if not values:
        return None, 0
    errors = [m[f"{metric}_at_count_std"] for m in metrics if m.get(f"{metric}_at_count_std")]
    return mean(values), mean(errors) if errors else statistics.stdev(values) if len(values) > 1 else 0.1 * mean(values)


def which_kernel(results):
    lines = []
    for name, metric in (("gaussians25", "mass_total_variation_all"), ("fashion_mnist", "frechet_distance")):
        if missing := results.missing(name):
            lines.append(missing)
            continue
        group = results.group(name)
        means = {m: mean(row.metrics.get(metric, {}).values()) for m, row in group.rows.items() if m not in ("generator", "real data") and row.metrics.get(metric)}
        lower = sorted(means, key=means.get)
        cost = lambda m, of=group: mean(of.rows[m].costs["evaluations"].values())
        exact = [m for m in lower if group.rows[m].exact]
        lines.append(f"{results.parts[name].title.split(':')[0]}, by {BEST[metric]}: best {', '.join(f'{m} ({means[m]:.3g}, {cost(m):.0f} evaluations per sample)' for m in lower[:3])}; worst "
                     f"{', '.join(f'{m} ({means[m]:.3g})' for m in lower[-3:])}; the generator {mean(group.values('generator', metric).values()):.3g}.")
        law, spread = own_law(group, metric)
        if law:
            lines.append(f"- The energy's own law at that number of samples, by weighted prior draws and no chain: {law:.3g}, standard error {spread:.2g}.")
        if law and exact:
            near = [m for m in exact if means[m] <= law + 2 * spread]
            lines.append(f"- Of {len(exact)} exact kernels {len(near)} are there within two standard errors" + (f", {min(near, key=cost)} at least cost ({cost(min(near, key=cost)):.0f} evaluations per sample)" if near else "") +
                         (f"; not yet: {', '.join(f'{m} ({means[m]:.3g})' for m in exact if m not in near)}." if len(near) < len(exact) else "."))
            other = [m for m in lower if m not in exact and means[m] <= law + 2 * spread]
            lines.append(f"- Methods of another law that are as good by this number: {', '.join(other) if other else 'none'}.")
        worse = [m for m in lower if all(d > 0 for d in change(group, m, "generator", metric).values())]
        lines.append(f"- Worse than the generator in every seed: {', '.join(worse) if worse else 'none'}.")
    return lines


QUESTIONS = [("Which method, at which cost?", which_kernel), ("Which step size?", step_size), ("Conditional GANs: theory per class, mass of the classes", conditional), ("Pixel space against latent space", pixel_latent),
             ("DDLS in training or at evaluation?", in_training), ("Modes that the generator misses", mode_dropping), ("Hinge and WGAN scores: calibrated against raw", scores),
             ("Networks of BigGAN's class", biggan)]
