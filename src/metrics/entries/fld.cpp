// Feature likelihood divergence (Jiralerspong et al. 2023): the negative log-likelihood of reals that training has not
// seen, under Gaussians of one variance each at the fakes, the variances fitted to the training set; per feature, above
// that of Gaussians at reals. What copies makes the training set more likely than the test set: the gap falls below 0.
// Features are standardised by the training set. Sums over blocks are added in order: equal bits at any rank count.
#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "base/json.hpp"
#include "metrics/entry.hpp"
#include "metrics/long_work.hpp"
#include "metrics/mixture_sums.hpp"
#include "metrics/pair_products.hpp"
#include "tensor/adam.hpp"

namespace ddls::metrics {
namespace {

struct FldOptions {
  int64_t count = 10'000;
  int64_t steps = 50;
};

void bind_fld(config::Section& s, FldOptions& o) {
  s.value("count", &o.count, "the first so many images of each set", config::at_least(4));
  s.value("steps", &o.steps, "of Adam, which fits the variances", config::at_least(1));
}

// What `of_block` gives of each block, added up in the order of blocks. **Collective.**
template <typename OfBlock>
at::Tensor sum_in_order(dist::Communicator& comm, const FeatureBlocks& rows, int64_t size, OfBlock of_block) {
  at::Tensor parts = at::zeros({rows.blocks(), size}, at::kDouble);
  for (const int64_t block : rows.own_blocks())
    parts[block].copy_(of_block(static_cast<size_t>(block - rows.first_own), rows.own_rows(block)));
  comm.all_reduce(parts);
  return parts.sum(0);
}

struct Standardised {
  at::Tensor mean, scale;  // [F] float64
  at::Tensor of(const at::Tensor& rows) const { return (rows.to(at::kCPU, at::kDouble) - mean) / scale; }
};

Standardised standardised_by(dist::Communicator& comm, const FeatureBlocks& rows) {
  const auto n = static_cast<double>(rows.count);
  Standardised by;
  by.mean =
      sum_in_order(comm, rows, rows.features, [](size_t, const at::Tensor& x) { return x.to(at::kDouble).sum(0); }) / n;
  const at::Tensor squares = sum_in_order(comm, rows, rows.features, [&](size_t, const at::Tensor& x) {
    return (x.to(at::kDouble) - by.mean).square().sum(0);
  });
  by.scale = (squares / n).sqrt();
  by.scale.masked_fill_(by.scale.eq(0), 1);
  return by;
}

// Rows that every rank has, dealt in blocks.
FeatureBlocks dealt_rows(const dist::Communicator& comm, const at::Tensor& rows) {
  FeatureBlocks dealt_out;
  dealt_out.plan = {rows.size(0), 256};
  dealt_out.count = rows.size(0);
  dealt_out.features = rows.size(1);
  const std::vector<Block> blocks = dealt_out.plan.blocks_of(comm.rank(), comm.ranks());
  if (!blocks.empty()) dealt_out.first_own = blocks.front().index;
  for (const Block& block : blocks) dealt_out.own.push_back(rows.narrow(0, block.ids.begin, block.ids.size()).clone());
  return dealt_out;
}

// Of each own block of `rows` the squared distances to all centres: [n, centres.count] float32. **Collective.**
std::vector<at::Tensor> squares_to(dist::Communicator& comm, const FeatureBlocks& rows, const FeatureBlocks& centres,
                                   const Standardised& standardised) {
  std::vector<at::Tensor> squares, points, norms;  // of own blocks
  for (const int64_t block : rows.own_blocks()) {
    points.push_back(standardised.of(rows.own_rows(block)));
    norms.push_back(points.back().square().sum(1, true));
    squares.push_back(at::empty({rows.ids_of(block).size(), centres.count}, at::kFloat));
  }
  int64_t current = -1;
  at::Tensor centre, centre_norms;
  for_each_pair(
      comm, rows, centres, Pairs::all,
      [&](const BlockOfRows& a, const BlockOfRows& b) {
        if (b.block != std::exchange(current, b.block)) {
          centre = standardised.of(b.rows);
          centre_norms = centre.square().sum(1).unsqueeze(0);
        }
        const auto own = static_cast<size_t>(a.block - rows.first_own);
        const PairBlock block(a.ids, b.ids, points[own], centre, norms[own], centre_norms);
        squares[own].narrow(1, b.ids.begin, b.ids.size()).copy_(block.distances().square());
      },
      "FLD");
  return squares;
}

// Gaussians of variance exp(s_j) at the centres, equal weights.
struct Mixture {
  at::Tensor log_variances;  // [M] float64
  int64_t features = 0;

  // Mean over the rows, and its gradient with respect to log_variances: [1 + M]. **Collective.**
  at::Tensor nll(dist::Communicator& comm, const FeatureBlocks& rows, const std::vector<at::Tensor>& squares) const {
    const at::Tensor inverse = (-log_variances).exp();
    const at::Tensor sum = sum_in_order(comm, rows, 1 + log_variances.numel(), [&](size_t i, const at::Tensor&) {
      const MixtureSums sums = mixture_sums(squares[i], log_variances, features);
      const at::Tensor slope = (sums.shares * static_cast<double>(features) - sums.spreads * inverse) / 2;
      return at::cat({at::full({1}, -sums.log_density, at::kDouble), slope});
    });
    return sum / static_cast<double>(rows.count);
  }
  double value(dist::Communicator& comm, const FeatureBlocks& rows, const std::vector<at::Tensor>& squares) const {
    return nll(comm, rows, squares)[0].item<double>();
  }
};

// Adam of learning rate 0.5 from variances of 1. Variances of Gaussians at copies would fall for ever: they have a
// bound.
Mixture fitted(dist::Communicator& comm, const FeatureBlocks& rows, const std::vector<at::Tensor>& squares,
               int64_t centres, int64_t steps) {
  constexpr double rate = 0.5, least = -30, most = 20;
  Mixture mixture{at::zeros({centres}, at::kDouble), rows.features};
  tensor::Adam adam({.beta1 = 0.9, .beta2 = 0.999}, mixture.log_variances);
  LongWork work("FLD, fit", steps, comm.root());
  for (int64_t step = 0; step < steps; ++step) {
    adam.step(mixture.log_variances, mixture.nll(comm, rows, squares).narrow(0, 1, centres), rate);
    mixture.log_variances.clamp_(least, most);
    work.step();
  }
  return mixture;
}

struct FldReference {
  Standardised standardised;
  double baseline = 0;  // NLL of the test set under Gaussians at one half of the training set, fitted to the other
};

std::any prepare_fld(const FldOptions& options, const MetricContext& context, const Reference& reference) {
  dist::Communicator& comm = context.comm;
  const FeatureBlocks training = reference.training->rows.first(options.count);
  FldReference prepared;
  if (training.count < 4) return prepared;
  const FeatureBlocks test = reference.set.rows.first(options.count), centres = training.first(training.count / 2);
  prepared.standardised = standardised_by(comm, training);
  const FeatureBlocks others =
      dealt_rows(comm, gather_rows_by_id(comm, training, at::arange(centres.count, training.count, at::kLong)));
  const Mixture mixture =
      fitted(comm, others, squares_to(comm, others, centres, prepared.standardised), centres.count, options.steps);
  prepared.baseline = mixture.value(comm, test, squares_to(comm, test, centres, prepared.standardised));
  return prepared;
}

Json compute_fld(const FldOptions& options, const MetricInputs& in) {
  dist::Communicator& comm = in.context.comm;
  const auto& prepared = in.prepared_as<FldReference>();
  if (!prepared.standardised.mean.defined())
    return no_value("fld", in.reference.training->name + " has fewer than 4 samples");
  const FeatureBlocks own = in.own.rows.first(options.count), test = in.reference.set.rows.first(options.count);
  const FeatureBlocks training = in.reference.training->rows.first(options.count);
  std::vector<at::Tensor> squares = squares_to(comm, training, own, prepared.standardised);
  const Mixture mixture = fitted(comm, training, squares, own.count, options.steps);
  const double of_training = mixture.value(comm, training, squares);
  squares.clear();
  const double of_test = mixture.value(comm, test, squares_to(comm, test, own, prepared.standardised));
  const double scale = 100 / static_cast<double>(own.features);
  return {{"fld", {{"value", scale * (of_test - prepared.baseline)}, {"gap", scale * (of_training - of_test)}}}};
}

}  // namespace

Metric fld_metric() {
  return described<FldOptions>(
      {.name = "fld",
       .summary = "feature likelihood divergence and its generalisation gap",
       .options = bind_fld,
       .keys = {{"fld", "FLD (fld)"},
                {"fld.value", "of the reference, above that of Gaussians at training samples; 0: as good as those", "",
                 MetricColumn{.title = "FLD",
                              .better = Better::lower,
                              .decimals = 2,
                              .curve = "fld",
                              .level = MetricLevel{.title = "training samples"}}},
                {"fld.gap", "of the training set, less that of the reference; below 0: copies", "",
                 MetricColumn{.title = "FLD gap", .better = Better::like_real, .decimals = 2, .curve = "fld_gap"}}},
       .protocol_keys = {{"fld", "metric fld"},
                         {"fld.steps", "of Adam"},
                         {"fld.count", "the first of the set, as used", "samples"},
                         {"fld.reference_count", "the first of the reference, as used", "samples"},
                         {"fld.training_count", "the first of the training set, at most", "samples"}},
       .needs =
           [](const FldOptions& o) {
             return MetricNeeds{.rows = o.count, .reference_rows = o.count, .training_rows = o.count};
           },
       .prepare = prepare_fld,
       .compute = compute_fld,
       .protocol =
           [](const FldOptions& o, const Json&, int64_t count, int64_t reference_count) {
             return Json{{"fld",
                          {{"steps", o.steps},
                           {"count", std::min(o.count, count)},
                           {"reference_count", std::min(o.count, reference_count)},
                           {"training_count", o.count}}}};
           }});
}

}  // namespace ddls::metrics
