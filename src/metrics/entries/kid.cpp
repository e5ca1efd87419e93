#include "metrics/entries/kid.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "metrics/dealt.hpp"
#include "metrics/entry.hpp"
#include "metrics/numpy_random.hpp"
#include "metrics/rounding.hpp"

namespace ddls::metrics {
namespace {

at::Tensor dense(const at::Tensor& x) { return x.to(at::kCPU, at::kFloat).contiguous(); }

// [m, n] float64: the kernel of rows of x and rows of y, of products in float32.
at::Tensor kernel_of(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor products = at::mm(dense(x), dense(y).t()).contiguous();
  at::Tensor kernel = at::empty(products.sizes(), at::kDouble);
  const auto* const product = products.const_data_ptr<float>();
  auto* const value = kernel.mutable_data_ptr<double>();
  const double scale = 1 / static_cast<double>(x.size(1));
  for (int64_t i = 0; i < products.numel(); ++i) {
    const double t = product[i] * scale + 1;
    value[i] = t * t * t;
  }
  return kernel;
}

at::Tensor kernel_off_diagonal(const at::Tensor& x) { return kernel_of(x, x).fill_diagonal_(0); }

}  // namespace

double kernel_sum(const at::Tensor& x, const at::Tensor& y) {
  return x.size(0) == 0 || y.size(0) == 0 ? 0 : kernel_of(x, y).sum().item<double>();
}

double kernel_sum_off_diagonal(const at::Tensor& x) {
  constexpr int64_t panel = 256;  // rows; what lies below its panels on the diagonal is what lies above
  double sum = 0;
  for (int64_t from = 0; from < x.size(0); from += panel) {
    const int64_t size = std::min(panel, x.size(0) - from), rest = x.size(0) - from - size;
    const at::Tensor rows = x.narrow(0, from, size);
    sum += kernel_off_diagonal(rows).sum().item<double>() + 2 * kernel_sum(rows, x.narrow(0, from + size, rest));
  }
  return sum;
}

double squared_mmd(const KernelSums& sums, int64_t m, int64_t n) {
  ensure(m >= 2 && n >= 2, "KID needs at least 2 rows of either set, got {} and {}", m, n);
  const auto dm = static_cast<double>(m), dn = static_cast<double>(n);
  const double within = sums.xx / (dm * (dm - 1)) + sums.yy / (dn * (dn - 1)), across = 2 * sums.xy / (dm * dn);
  return without_rounding(within - across, within);
}

std::vector<KidSubset> draw_kid_subsets(int64_t fake_count, int64_t real_count, int64_t subsets, int64_t size) {
  size = std::min({size, fake_count, real_count});
  NumpyRandom random(2020);
  std::vector<KidSubset> result;
  for (int64_t i = 0; i < subsets; ++i) {
    const at::Tensor fake = random.permutation(fake_count).narrow(0, 0, size).clone();
    result.push_back({fake, random.permutation(real_count).narrow(0, 0, size).clone()});
  }
  return result;
}

namespace {

// Of subsets of one set: [subsets, count] float64, 1 for their rows. Without subsets, none.
at::Tensor masks_of(const std::vector<KidSubset>& subsets, at::Tensor KidSubset::*rows, int64_t count) {
  at::Tensor masks = at::zeros({static_cast<int64_t>(subsets.size()), count}, at::kDouble);
  for (size_t i = 0; i < subsets.size(); ++i) masks[static_cast<int64_t>(i)].index_fill_(0, subsets[i].*rows, 1);
  return masks;
}

// Sums of the kernel: of all pairs of rows, then of those of each subset, [1 + subsets] float64.
class KernelTotals {
 public:
  // Masks of the rows and of the columns.
  KernelTotals(at::Tensor rows, at::Tensor columns)
      : rows_(std::move(rows)), columns_(std::move(columns)), sums_(at::zeros({1 + rows_.size(0)}, at::kDouble)) {}

  void add(const at::Tensor& kernel, IdRange rows, IdRange columns, double times) {
    sums_[0] += kernel.sum() * times;
    if (rows_.size(0) == 0) return;
    const at::Tensor of_columns = at::mm(rows_.narrow(1, rows.begin, rows.size()), kernel);
    sums_.narrow(0, 1, rows_.size(0)) +=
        (of_columns * columns_.narrow(1, columns.begin, columns.size())).sum(1) * times;
  }

  // **Collective.**
  at::Tensor over_ranks(dist::Communicator& comm) {
    comm.all_reduce(sums_);
    return sums_;
  }

 private:
  at::Tensor rows_, columns_, sums_;
};

// Over ordered pairs of different rows. **Collective.**
at::Tensor totals_within(dist::Communicator& comm, const FeatureBlocks& set, const at::Tensor& masks) {
  KernelTotals totals(masks, masks);
  for_each_pair(
      comm, set, set, Pairs::unordered,
      [&](const BlockOfRows& a, const BlockOfRows& b) {
        const bool itself = a.block == b.block;
        totals.add(itself ? kernel_off_diagonal(a.rows) : kernel_of(a.rows, b.rows), a.ids, b.ids, itself ? 1 : 2);
      },
      "KID");
  return totals.over_ranks(comm);
}

// **Collective.**
at::Tensor totals_across(dist::Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real,
                         const at::Tensor& fake_masks, const at::Tensor& real_masks) {
  KernelTotals totals(fake_masks, real_masks);
  for_each_pair(
      comm, fake, real, Pairs::all,
      [&](const BlockOfRows& a, const BlockOfRows& b) { totals.add(kernel_of(a.rows, b.rows), a.ids, b.ids, 1); },
      "KID");
  return totals.over_ranks(comm);
}

}  // namespace

double kernel_sum_within(dist::Communicator& comm, const FeatureBlocks& set) {
  return totals_within(comm, set, at::zeros({0, set.count}, at::kDouble))[0].item<double>();
}

Kid kid_of(dist::Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real, double real_within,
           const KidOptions& options) {
  const std::vector<KidSubset> subsets = draw_kid_subsets(fake.count, real.count, options.subsets, options.subset_size);
  const int64_t size = subsets.front().fake.numel();
  const at::Tensor fakes = masks_of(subsets, &KidSubset::fake, fake.count);
  const at::Tensor xx = totals_within(comm, fake, fakes);
  const at::Tensor xy = totals_across(comm, fake, real, fakes, masks_of(subsets, &KidSubset::real, real.count));
  // The reals' subsets follow from how many fakes there are, after all pairs of reals were summed: a pass of their own.
  const std::vector<double> yy = dealt(
      comm, "KID of subsets", options.subsets,
      [&](int64_t i) { return gather_rows_by_id(comm, real, subsets[static_cast<size_t>(i)].real); },
      [](int64_t, const at::Tensor& rows) { return kernel_sum_off_diagonal(rows); });
  std::vector<double> values;
  for (int64_t i = 0; i < options.subsets; ++i)
    values.push_back(
        squared_mmd({xx[1 + i].item<double>(), yy[static_cast<size_t>(i)], xy[1 + i].item<double>()}, size, size));
  const at::Tensor all = at::tensor(values, at::kDouble);
  return {squared_mmd({xx[0].item<double>(), real_within, xy[0].item<double>()}, fake.count, real.count),
          {all.mean().item<double>(), all.std(/*unbiased=*/false).item<double>()}};
}

namespace {

void bind_kid(config::Section& s, KidOptions& o) {
  s.value("subsets", &o.subsets, "random subsets", config::at_least(1));
  s.value("subset_size", &o.subset_size, "images of either set in each, at most the smaller set", config::at_least(2));
}

void warn_of_small_subsets(const MetricContext& context, const std::string& name, int64_t count, int64_t enough,
                           int64_t subset_size) {
  if (context.comm.root() && count < enough)
    log::warning("KID: {} has {} samples, so its subsets have {}, not {} (evaluate.kid.subset_size)", name, count,
                 count, subset_size);
}

Json compute_kid(const KidOptions& options, const MetricInputs& in) {
  const FeatureBlocks &own = in.own.rows, &real = in.reference.set.rows;
  const int64_t m = own.count, n = real.count;
  KidOptions used = options;
  warn_of_small_subsets(in.context, in.own.name, m, std::min(used.subset_size, n), options.subset_size);
  used.subset_size = std::min({used.subset_size, m, n});
  const Kid of_pairs = kid_of(in.context.comm, own, real, in.prepared_as<double>(), used);
  Json kid{{"unbiased", of_pairs.unbiased},
           {"subsets_mean", of_pairs.subsets.mean},
           {"subsets_std", without_rounding(of_pairs.subsets.std, of_pairs.subsets.mean)},
           {"subsets", used.subsets},
           {"subset_size", used.subset_size}};
  const bool whole = used.subset_size == m && used.subset_size == n;
  if (whole || used.subsets == 1)
    refuse(kid, {"subsets_std"},
           whole ? fmt::format("both sets have {} samples: every subset is the whole of them", m) : "one subset");
  return {{"kid", kid}};
}

}  // namespace

Metric kid_metric() {
  return described<KidOptions>(
      {.name = "kid",
       .summary = "Kernel Inception Distance, of all pairs and by subsets",
       .options = bind_kid,
       .keys = {{"kid", "KID (kid)"},
                {"kid.unbiased", "over all pairs; may be negative", "",
                 MetricColumn{.title = "KID, all pairs", .unit = "10⁻³", .better = Better::lower, .factor = 1e3}},
                {"kid.subsets_mean", "over the subsets", "",
                 MetricColumn{.title = "KID, subsets",
                              .unit = "10⁻³",
                              .better = Better::lower,
                              .factor = 1e3,
                              .spread_path = "kid.subsets_std"}},
                {"kid.subsets_std", "over the subsets; null where there is one alone"},
                {.path = "kid.subsets_std_why", .meaning = "why it is null", .optional = true},
                {"kid.subsets", "how many"},
                {"kid.subset_size", "as used: at most the smaller set", "samples"}},
       .protocol_keys = {{"kid", "metric kid"},
                         {"kid.kernel"},
                         {"kid.subsets"},
                         {"kid.subset_size", "as used: at most the smaller set", "samples"}},
       .needs = MetricNeeds{.rows = all_rows_needed, .reference_rows = all_rows_needed},
       .prepare = [](const KidOptions& options, const MetricContext& context, const Reference& reference) -> std::any {
         const SetFeatures& set = reference.set;
         warn_of_small_subsets(context, set.name, set.count, options.subset_size, options.subset_size);
         return kernel_sum_within(context.comm, set.rows);
       },
       .compute = compute_kid,
       .protocol =
           [](const KidOptions&, const Json& metrics, int64_t, int64_t) {
             const Json& kid = metrics["kid"];
             return Json{
                 {"kid",
                  {{"kernel", "(x.y/d + 1)^3"}, {"subsets", kid["subsets"]}, {"subset_size", kid["subset_size"]}}}};
           }});
}

}  // namespace ddls::metrics
