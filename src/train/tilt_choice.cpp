#include "train/tilt_choice.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.hpp"
#include "tensor/single_thread.hpp"
#include "train/quarters.hpp"

namespace ddls::train {
namespace {

// From columns as measured to phi: mean 0 and deviation 1 over the reals that fit (the score's smaller, where the ridge
// is to weigh more on it), and the score once more for each class where slopes depend on it. A column that does not
// vary is 0.
struct Design {
  at::Tensor mean, per_deviation;  // [k]
  int64_t classes = 0;             // of slopes; 0: one for all

  Design(const at::Tensor& real, int64_t slopes, double score_ridge = 1) : mean(real.mean(0)), classes(slopes) {
    const at::Tensor deviation = real.std(0);
    per_deviation = at::where(deviation > 1e-12, deviation.reciprocal(), at::zeros_like(deviation));
    per_deviation[0] /= std::sqrt(score_ridge);  // a column s times smaller has a weight s times larger
  }
  sampling::LabelledRows of(const sampling::LabelledRows& raw) const {
    at::Tensor phi = (raw.phi - mean) * per_deviation;
    if (classes > 0)
      phi = at::cat({phi, phi.select(1, 0).unsqueeze(1) * at::one_hot(raw.classes, classes).to(at::kDouble)}, 1);
    return {phi, raw.classes};
  }
};

sampling::LogRatios ratios(const sampling::LabelledRows& rows, const at::Tensor& w) {
  return {at::mv(rows.phi, w), rows.classes};
}

TiltCandidate judged(const sampling::LabelledRows& real, const sampling::LabelledRows& pool, const at::Tensor& w,
                     double ridge) {
  const sampling::LogRatios of_pool = ratios(pool, w);
  return {ridge, sampling::nats(ratios(real, w), of_pool), sampling::pool_worth(of_pool).ess_fraction};
}

struct Candidate {
  at::Tensor w;
  TiltCandidate judged;
};

// Fits on one part of the rows and judges on another, with some of the columns.
class Search {
 public:
  Search(const sampling::LabelledRows& real, const sampling::LabelledRows& pool, at::Tensor columns, double floor)
      : columns_(std::move(columns)),
        split_real_(quarters_of(real.phi.size(0))),
        split_pool_(quarters_of(pool.phi.size(0))),
        real_(chosen(real)),
        pool_(chosen(pool)),
        problem_(real_.rows(0, split_real_.fit), pool_.rows(0, split_pool_.fit)),
        floor_(floor) {}

  Candidate at(double ridge, const at::Tensor& start = {}) const {
    const at::Tensor w = problem_.minimum(ridge, start);
    return {w, judged(real_.rows(split_real_.fit, split_real_.choose), pool_.rows(split_pool_.fit, split_pool_.choose),
                      w, ridge)};
  }
  bool holds(const Candidate& c) const { return c.judged.ess >= floor_; }

  // Most nats among the ridges that keep the floor: from a large one down by halves, and four times between the last
  // that keeps it and the first that does not.
  Candidate best(std::vector<TiltCandidate>& tried) const {
    constexpr double first = 16, least = 1e-3, most = 1e9;
    const auto attempt = [&](double ridge, const at::Tensor& start) {
      Candidate c = at(ridge, start);
      tried.push_back(c.judged);
      return c;
    };
    Candidate last = attempt(first, {});
    for (double ridge = first * 8; !holds(last) && ridge < most; ridge *= 8) last = attempt(ridge, last.w);
    Candidate best = last;
    int falls = 0;
    for (double ridge = last.judged.ridge / 2; ridge >= least && falls < 2; ridge /= 2) {
      const Candidate next = attempt(ridge, last.w);
      if (!holds(next)) {
        double low = std::log(ridge), high = std::log(last.judged.ridge);
        for (int i = 0; i < 4; ++i) {
          const Candidate between = attempt(std::exp((low + high) / 2), last.w);
          (holds(between) ? high : low) = (low + high) / 2;
          if (holds(between) && between.judged.nats > best.judged.nats) best = between;
        }
        break;
      }
      falls = next.judged.nats < last.judged.nats ? falls + 1 : 0;
      if (next.judged.nats > best.judged.nats) best = next;
      last = next;
    }
    return best;
  }

  // The same fit on the rows that chose, too.
  at::Tensor refitted(const Candidate& c) const {
    const sampling::TiltProblem all(real_.rows(0, split_real_.fit + split_real_.choose),
                                    pool_.rows(0, split_pool_.fit + split_pool_.choose));
    return all.minimum(c.judged.ridge, c.w);
  }
  const at::Tensor& columns() const { return columns_; }

 private:
  sampling::LabelledRows chosen(const sampling::LabelledRows& rows) const {
    return {rows.phi.index_select(1, columns_), rows.classes};
  }

  at::Tensor columns_;
  Quarters split_real_, split_pool_;
  sampling::LabelledRows real_, pool_;
  sampling::TiltProblem problem_;
  double floor_;
};

// The columns of the score, of its classes, and of the parts that are `used`.
at::Tensor columns_with(const TiltColumns& columns, const std::vector<bool>& used, int64_t all) {
  std::vector<int64_t> ids{0};
  int64_t begin = 1;
  for (size_t i = 0; i < used.size(); ++i) {
    for (int64_t j = 0; j < columns.parts[i]; ++j)
      if (used[i]) ids.push_back(begin + j);
    begin += columns.parts[i];
  }
  for (; begin < all; ++begin) ids.push_back(begin);
  return at::tensor(ids, at::kLong);
}

// Last quarters.
Reported reported(const sampling::LabelledRows& real, const sampling::LabelledRows& pool,
                  const std::function<sampling::LogRatios(const sampling::LabelledRows&)>& r) {
  const auto last = [](const sampling::LabelledRows& rows) {
    const Quarters s = quarters_of(rows.phi.size(0));
    return rows.rows(s.fit + s.choose, s.report);
  };
  return {r(last(real)), r(last(pool))};
}

// r = slope_y d + parts + offset_y in the units of the columns as measured, from weights of phi; log Z = 0 over the
// whole pool.
void unscale(TiltChoice& choice, const at::Tensor& w, const Design& design, const TiltColumns& columns,
             const std::vector<bool>& used, const sampling::LabelledRows& pool) {
  const int64_t measured = design.mean.numel();
  const at::Tensor raw = w.narrow(0, 0, measured) * design.per_deviation;
  choice.slopes = raw.narrow(0, 0, 1).clone();
  if (design.classes > 0)
    choice.slopes = choice.slopes + w.narrow(0, measured, design.classes) * design.per_deviation[0];
  int64_t begin = 1;
  for (size_t i = 0; i < used.size(); ++i) {
    choice.parts.push_back(used[i] ? raw.narrow(0, begin, columns.parts[i]).clone() : at::Tensor());
    begin += columns.parts[i];
  }
  const int64_t classes = pool.classes.defined() ? std::max(pool.classes.max().item<int64_t>() + 1, design.classes) : 1;
  choice.offsets = at::zeros({classes}, at::kDouble);
  const at::Tensor log_z = sampling::log_means(log_ratios(choice, pool), classes);
  choice.offsets = at::where(at::isfinite(log_z), -log_z, choice.offsets);  // a class without draws
}

void report_on_last(TiltChoice& choice, const sampling::LabelledRows& real, const sampling::LabelledRows& pool) {
  const auto sizes = [](const sampling::LabelledRows& rows) {
    const Quarters s = quarters_of(rows.phi.size(0));
    return TiltChoice::Sizes{s.fit + s.choose, s.report};
  };
  choice.reals = sizes(real);
  choice.pool = sizes(pool);
  choice.before = reported(real, pool, [](const sampling::LabelledRows& rows) {
    return sampling::LogRatios{rows.phi.select(1, 0).contiguous(), rows.classes};
  });
  choice.after = reported(real, pool, [&](const sampling::LabelledRows& rows) { return log_ratios(choice, rows); });
}

}  // namespace

sampling::LogRatios log_ratios(const TiltChoice& choice, const sampling::LabelledRows& rows) {
  const auto of_class = [&](const at::Tensor& values) {
    return values.numel() > 1 ? values.index_select(0, rows.classes) : values;
  };
  at::Tensor r = rows.phi.select(1, 0) * of_class(choice.slopes) + of_class(choice.offsets);
  int64_t begin = 1;
  for (size_t i = 0; i < choice.parts.size(); ++i) {
    const int64_t count = choice.part_columns[i];
    if (choice.parts[i].defined()) r = r + at::mv(rows.phi.narrow(1, begin, count), choice.parts[i]);
    begin += count;
  }
  return {r, rows.classes};
}

TiltChoice choose_tilt(const sampling::LabelledRows& real, const sampling::LabelledRows& pool,
                       const TiltColumns& columns, const config::CalibrationConfig& config) {
  const tensor::SingleThread single;
  const int64_t classes =
      columns.class_slopes ? 1 + std::max(real.classes.max().item<int64_t>(), pool.classes.max().item<int64_t>()) : 0;
  const Design design(real.phi.narrow(0, 0, quarters_of(real.phi.size(0)).fit), classes, config.score_ridge);
  const sampling::LabelledRows phi_real = design.of(real), phi_pool = design.of(pool);
  const int64_t all = phi_real.phi.size(1);
  const auto search_with = [&](const std::vector<bool>& used) {
    return Search(phi_real, phi_pool, columns_with(columns, used, all), config.ess_floor);
  };
  const auto best_of = [&](const Search& search, std::vector<TiltCandidate>& tried) {
    if (config.ridge == 0) return search.best(tried);
    Candidate only = search.at(config.ridge);
    tried = {only.judged};
    return only;
  };

  TiltChoice choice;
  choice.part_columns = columns.parts;
  std::vector<bool> used(columns.parts.size(), true);
  std::optional<Search> search(search_with(used));
  Candidate best = best_of(*search, choice.tried);
  if (used.size() > 1) {
    for (size_t i = 0; i < used.size(); ++i) {
      std::vector<bool> without(used.size(), true);
      without[i] = false;
      choice.nats_without.push_back(search_with(without).at(best.judged.ridge).judged.nats);
    }
    for (size_t i = 0; i < used.size(); ++i) used[i] = choice.nats_without[i] <= best.judged.nats;
    if (std::find(used.begin(), used.end(), false) != used.end()) {
      choice.tried.clear();
      search.emplace(search_with(used));
      best = best_of(*search, choice.tried);
    }
  }
  if (best.judged.ess < config.ess_floor)
    fail(Exit::data,
         "calibration: an effective sample size of {:.3g} of the pool at ridge {:.3g}, below "
         "train.calibration.ess_floor ({}); set train.calibration.ridge=0 to have it chosen, or a lower floor",
         best.judged.ess, best.judged.ridge, config.ess_floor);
  choice.ridge = best.judged.ridge;
  const at::Tensor w = at::zeros({all}, at::kDouble).index_copy(0, search->columns(), search->refitted(best));
  unscale(choice, w, design, columns, used, pool);
  report_on_last(choice, real, pool);
  return choice;
}

TiltChoice choose_temperature(const sampling::LabelledRows& all_real, const sampling::LabelledRows& all_pool,
                              const config::CalibrationConfig& config) {
  const tensor::SingleThread single;
  // Where every real scores above the whole pool the likelihood has no maximum of its own; the floor will set the
  // slope.
  constexpr double least_ridge = 1e-6;
  const auto scores = [](const sampling::LabelledRows& rows) {
    return sampling::LabelledRows{rows.phi.narrow(1, 0, 1).contiguous(), rows.classes};
  };
  const sampling::LabelledRows real = scores(all_real), pool = scores(all_pool);
  const Design design(real.phi.narrow(0, 0, quarters_of(real.phi.size(0)).fit), 0);
  const sampling::LabelledRows phi_real = design.of(real), phi_pool = design.of(pool);
  const Search search(phi_real, phi_pool, at::zeros({1}, at::kLong), config.ess_floor);
  at::Tensor w = search.refitted(search.at(least_ridge));
  if (!(w[0].item<double>() > 0))
    fail(Exit::data,
         "calibration: held-out reals do not score higher than fakes (a temperature of {:.3g}); the discriminator "
         "cannot guide a sampler: train it longer, or fit a ratio with train.ratio.steps",
         w[0].item<double>());
  const Quarters split = quarters_of(pool.phi.size(0));
  const sampling::LabelledRows seen = phi_pool.rows(0, split.fit + split.choose);
  double low = 0, high = 1;  // share of w that keeps the floor
  const auto keeps = [&](double share) {
    return sampling::pool_worth(ratios(seen, w * share)).ess_fraction >= config.ess_floor;
  };
  if (!keeps(1)) {
    for (int i = 0; i < 60; ++i) (keeps((low + high) / 2) ? low : high) = (low + high) / 2;
    w = w * low;
  }
  TiltChoice choice;
  unscale(choice, w, design, {}, {}, pool);
  report_on_last(choice, real, pool);
  return choice;
}

}  // namespace ddls::train
