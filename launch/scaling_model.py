#!/usr/bin/env python3
"""An analytic model of scaling, fitted to measured points: launch/scaling_model.py POINTS.json [--predict 8 64 512] [--json FILE].

Standard library only. Seconds of one unit of work (a training step, a round of Langevin steps, an evaluation) at n ranks:

    t(n) = (serial + each * W(n)/n) * S(n) + messages * 2 (n - 1) * alpha + traffic * 2 (n - 1)/n * beta

S(n) = max(1, n / processors): measured with more ranks than cores (or GPUs), they share them evenly. What is predicted has
one for each. W(n) is the work relative to one rank's: n for weak scaling, 1 for strong. `alpha` (seconds per message) and `beta` (seconds per
byte) come from measured all-reduces, t = 2 (n - 1) alpha + 2 (n - 1)/n bytes beta, the ring's cost; `messages` and `traffic`
are known from the model (how many all-reduces, how many bytes). What is fitted to the times is `serial` (the part that more
ranks do not divide: Amdahl) and `each` (the part that they do), by least squares of relative errors, neither below 0.
"""
import argparse
import json
import sys


def relative_least_squares(rows, times):
    """Two or fewer coefficients >= 0 that make sum(((row . c) - t)/t)^2 least. rows: tuples of equal length."""
    weighted = [[x / t for x in row] for row, t in zip(rows, times)]
    best = None
    size = len(rows[0])
    for mask in range(1, 1 << size):  # every set of coefficients that are not 0: there are three
        used = [i for i in range(size) if mask >> i & 1]
        solution = solve([[sum(r[i] * r[j] for r in weighted) for j in used] for i in used],
                         [sum(r[i] for r in weighted) for i in used])
        if solution is None or any(c < 0 for c in solution):
            continue
        coefficients = [0.0] * size
        for i, c in zip(used, solution):
            coefficients[i] = c
        error = sum((sum(c * x for c, x in zip(coefficients, r)) - 1) ** 2 for r in weighted)
        if best is None or error < best[0] * (1 - 1e-12):
            best = (error, coefficients)
    if best is None:
        raise ValueError("no fit: the points do not determine the model")
    return best[1]


def solve(matrix, right):
    """Gauss with pivots for the few unknowns here; None where it is singular."""
    n = len(right)
    m = [row[:] + [b] for row, b in zip(matrix, right)]
    scale = max(abs(x) for row in matrix for x in row) or 1.0
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(m[i][k]))
        if abs(m[pivot][k]) < 1e-13 * scale:
            return None
        m[k], m[pivot] = m[pivot], m[k]
        for i in range(k + 1, n):
            f = m[i][k] / m[k][k]
            for j in range(k, n + 1):
                m[i][j] -= f * m[k][j]
    x = [0.0] * n
    for k in reversed(range(n)):
        x[k] = (m[k][n] - sum(m[k][j] * x[j] for j in range(k + 1, n))) / m[k][k]
    return x


def share(ranks, processors):
    """S(n). `processors`: None where every rank has its own."""
    return max(1.0, ranks / processors) if processors else 1.0


def fit_network(collectives, processors=None):
    """alpha and beta from [{"ranks", "bytes", "seconds"}]. One rank moves nothing, and ranks that wait for a core measure that."""
    points = [p for p in collectives if p["ranks"] > 1 and share(p["ranks"], processors) == 1]
    if not points:
        return {"alpha": 0.0, "beta": 0.0, "points": 0}
    rows = [(2.0 * (p["ranks"] - 1), 2.0 * (p["ranks"] - 1) / p["ranks"] * p["bytes"]) for p in points]
    alpha, beta = relative_least_squares(rows, [p["seconds"] for p in points])
    return {"alpha": alpha, "beta": beta, "points": len(points)}


def communication(study, network, ranks):
    return (study["messages"] * 2 * (ranks - 1) * network["alpha"]
            + study["bytes"] * 2 * (ranks - 1) / ranks * network["beta"])


def work(study, ranks):
    return 1.0 if study["kind"] == "weak" else 1.0 / ranks


def predict(study, network, fitted, ranks, processors=None):
    computed = fitted["serial"] + fitted["each"] * work(study, ranks)
    return computed * share(ranks, processors) + communication(study, network, ranks)


def fit_study(study, network, points, processors=None):
    """serial and each from points [{"ranks", "seconds"}]. Weak scaling cannot tell the two apart: all of it is `each`."""
    times = [p["seconds"] for p in points]
    rest = [max(t - communication(study, network, p["ranks"]), 1e-3 * t) / share(p["ranks"], processors)
            for p, t in zip(points, times)]
    if study["kind"] == "weak" or len({p["ranks"] for p in points}) < 2:
        rows = [(work(study, p["ranks"]),) for p in points]
        return {"serial": 0.0, "each": relative_least_squares(rows, rest)[0]}
    serial, each = relative_least_squares([(1.0, work(study, p["ranks"])) for p in points], rest)
    return {"serial": serial, "each": each}


def left_out_error(study, network, processors=None):
    """The largest relative error over the points, each predicted by a fit to the others. None with fewer than three."""
    points = study["points"]
    if len(points) < 3:
        return None
    worst = 0.0
    for i, p in enumerate(points):
        fitted = fit_study(study, network, points[:i] + points[i + 1:], processors)
        worst = max(worst, abs(predict(study, network, fitted, p["ranks"], processors) / p["seconds"] - 1))
    return worst


def efficiency(study, first, seconds, ranks):
    """Against ideal: weak, the time stays; strong, it falls as 1/n. `first`: the point with the fewest ranks."""
    ideal = first["seconds"] if study["kind"] == "weak" else first["seconds"] * first["ranks"] / ranks
    return ideal / seconds


def model_of(measured, predict_ranks):
    processors = measured.get("processors")
    network = measured.get("network") or fit_network(measured.get("collectives", []), processors)
    result = {"schema": 1, "network": network, "studies": {}, "assumptions": [
        f"all-reduce costs 2(n-1) alpha + 2(n-1)/n bytes beta, alpha = {network['alpha']:.3g} s, beta = {network['beta']:.3g} s/byte"
        f" (from {network.get('points', 'given')} measured collectives)",
        "the measured machines and links are those of the prediction: more nodes add no slower link and no contention",
        "nothing of the communication is hidden behind computation (overlap would only help)",
        "ranks compute at the speed measured, whatever their number: one core, or one GPU, for each"
        + (f" (where more than {processors} were measured here, they shared those evenly)" if processors else ""),
        "strong scaling divides the work evenly; below one block or image per rank it ends",
    ]}
    for name, study in measured["studies"].items():
        points = sorted(study["points"], key=lambda p: p["ranks"])
        study = {**study, "points": points}
        fitted = fit_study(study, network, points, processors)
        result["studies"][name] = {
            "kind": study["kind"], "fitted": fitted, "left_out_error": left_out_error(study, network, processors),
            "predictions": [{"ranks": n, "seconds": predict(study, network, fitted, n),
                             "efficiency": efficiency(study, points[0], predict(study, network, fitted, n), n)}
                            for n in predict_ranks]}
    return result


def text_of(model):
    lines = []
    for name, study in model["studies"].items():
        error = study["left_out_error"]
        lines.append(f"{name}: serial {study['fitted']['serial']:.4g} s, divided {study['fitted']['each']:.4g} s; "
                     + ("too few points to leave any out" if error is None else f"points left out of the fit: within {100 * error:.1f} %"))
        for p in study["predictions"]:
            lines.append(f"  {p['ranks']:>5} ranks: {p['seconds']:.4g} s, efficiency {100 * p['efficiency']:.1f} %  (model, not measured)")
    lines.append("assumed:")
    lines += [f"  - {a}" for a in model["assumptions"]]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("points", help="scaling.json of launch/scaling.sh")
    parser.add_argument("--predict", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument("--alpha", type=float, help="seconds per message, instead of the fitted one (another network)")
    parser.add_argument("--beta", type=float, help="seconds per byte, likewise")
    parser.add_argument("--json", help="write the model here")
    args = parser.parse_args()
    with open(args.points) as file:
        measured = json.load(file)
    if (args.alpha is None) != (args.beta is None):
        parser.error("--alpha and --beta belong together")
    if args.alpha is not None:
        measured["network"] = {"alpha": args.alpha, "beta": args.beta, "points": "the command line, 0"}
    model = model_of(measured, args.predict)
    print(text_of(model))
    if args.json:
        with open(args.json, "w") as file:
            json.dump(model, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
