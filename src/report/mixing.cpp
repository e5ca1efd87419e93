#include "report/mixing.hpp"

#include <fmt/format.h>

#include "report/html.hpp"
#include "report/palette.hpp"
#include "report/records.hpp"

namespace ddls::report {
namespace {

constexpr double mixed_rhat = 1.01, usable_rhat = 1.1, enough_draws = 400;

std::string verdict(double rhat, double draws) {
  if (rhat > usable_rhat)
    return "the chains have not mixed: they still remember where they began, and their samples depend on the number of "
           "steps";
  if (rhat > mixed_rhat) return "the chains have nearly mixed; more steps would tell whether anything still drifts";
  if (draws < enough_draws) return "the chains look mixed, but there are too few independent draws to be sure";
  return "the chains have mixed";
}

// The slowest coordinate and the energy, which is usually the fastest.
std::string where(const Json& scalars) {
  std::string slowest;
  double worst = 0;
  for (const auto& [name, scalar] : scalars.items()) {
    const auto rhat = number_at(scalar, "rhat");
    if (rhat && *rhat > worst) worst = *rhat, slowest = name;
  }
  if (slowest.empty()) return {};
  std::string text = fmt::format(" The slowest coordinate is {}", slowest);
  const auto energy = number_at(scalars, "energy.rhat"), lag = number_at(scalars, "energy.autocorrelation_steps");
  if (energy && slowest != "energy") text += fmt::format("; the energy has R-hat {:.3f}", *energy);
  if (lag) text += fmt::format("; the energy forgets itself in {:.1f} steps", *lag);
  return text + ".";
}

}  // namespace

bool may_have_mixed(const MethodRun& method) {
  const auto rhat = number_at(method.summary, "rhat");
  return !rhat || *rhat <= usable_rhat;
}

std::string mixing_legend() {
  return note(
      "Effective draws (ESS) of the slowest among energy, log density ratio, |z|², random projections of z and "
      "principal components of the discriminator's features, from the second half of the chains. Per second: of all "
      "chains together, over the time of those steps, without the warm-up. Per evaluation: of one chain; an evaluation "
      "of the energy counts as one, with its gradient or without. In brackets: the chains have not mixed (R-hat above "
      "1.1), and the number says nothing yet.");
}

std::string mixing_notes(const RunData& run) {
  constexpr int most_open = 4;
  std::string notes;
  int count = 0;
  for (const MethodRun& method : run.methods) {
    const auto rhat = number_at(method.summary, "rhat"), ess = number_at(method.summary, "ess_per_chain");
    const auto chains = number_at(method.summary, "diagnosed.chains");
    if (!rhat || !ess || !chains) continue;
    ++count;
    notes += note(fmt::format(
        "{}: {} (R-hat {:.3f}; {:.1f} effective draws in each of {:.0f} chains, from step {} on).{}",
        method_title(method.name), verdict(*rhat, *ess * *chains), *rhat, *ess, *chains,
        text_at(method.summary, "diagnosed.from_step"), where(at_path(method.summary, "diagnosed.scalars"))));
  }
  return count > most_open ? folded("What that says of each method", notes) : notes;
}

}  // namespace ddls::report
