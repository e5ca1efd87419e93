#include "metrics/entries/kid.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "metrics/dealt.hpp"
#include "metrics/entry.hpp"
#include "metrics/numpy_random.hpp"
#include "metrics/rounding.hpp"
#include "metrics/sum_over_ranks.hpp"

namespace ddls::metrics {
namespace {

// Sum of (g * scale + 1)^3. Eight partial sums: independent, so the compiler may compute them side by side.
double cube_sum(const float* products, int64_t count, double scale) {
  constexpr int64_t lanes = 8;
  std::array<double, lanes> sums{};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const double t = products[i + lane] * scale + 1;
      sums[static_cast<size_t>(lane)] += t * t * t;
    }
  double sum = 0;
  for (; i < count; ++i) {
    const double t = products[i] * scale + 1;
    sum += t * t * t;
  }
  for (const double part : sums) sum += part;
  return sum;
}

at::Tensor dense(const at::Tensor& x) { return x.to(at::kCPU, at::kFloat).contiguous(); }

}  // namespace

double kernel_sum(const at::Tensor& x, const at::Tensor& y) {
  if (x.size(0) == 0 || y.size(0) == 0) return 0;
  const at::Tensor products = at::mm(dense(x), dense(y).t()).contiguous();
  return cube_sum(products.const_data_ptr<float>(), products.numel(), 1 / static_cast<double>(x.size(1)));
}

double kernel_sum_off_diagonal(const at::Tensor& x) {
  if (x.size(0) == 0) return 0;
  const at::Tensor rows = dense(x), products = at::mm(rows, rows.t()).contiguous();
  const at::Tensor diagonal = products.diagonal().contiguous();
  const double scale = 1 / static_cast<double>(x.size(1));
  return cube_sum(products.const_data_ptr<float>(), products.numel(), scale) -
         cube_sum(diagonal.const_data_ptr<float>(), diagonal.numel(), scale);
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

double kernel_sum_within(dist::Communicator& comm, const FeatureBlocks& set) {
  double sum = 0;
  for_each_pair(
      comm, set, set, Pairs::unordered,
      [&](const BlockOfRows& a, const BlockOfRows& b) {
        sum += a.block == b.block ? kernel_sum_off_diagonal(a.rows) : 2 * kernel_sum(a.rows, b.rows);
      },
      "KID");
  return sum_over_ranks(comm, sum);
}

double kid_unbiased(dist::Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real,
                    double real_within) {
  double cross = 0;
  for_each_pair(
      comm, fake, real, Pairs::all,
      [&](const BlockOfRows& a, const BlockOfRows& b) { cross += kernel_sum(a.rows, b.rows); }, "KID");
  const KernelSums sums{kernel_sum_within(comm, fake), real_within, sum_over_ranks(comm, cross)};
  return squared_mmd(sums, fake.count, real.count);
}

MeanStd kid_by_subsets(dist::Communicator& comm, const FeatureBlocks& fake, const FeatureBlocks& real,
                       const KidOptions& options) {
  const std::vector<KidSubset> subsets = draw_kid_subsets(fake.count, real.count, options.subsets, options.subset_size);
  const auto rows_of = [&](int64_t i) {
    const KidSubset& subset = subsets[static_cast<size_t>(i)];
    at::Tensor x = gather_rows_by_id(comm, fake, subset.fake);
    return std::pair(std::move(x), gather_rows_by_id(comm, real, subset.real));
  };
  const auto distance_of = [](int64_t, const std::pair<at::Tensor, at::Tensor>& rows) {
    const auto& [x, y] = rows;
    const KernelSums sums{kernel_sum_off_diagonal(x), kernel_sum_off_diagonal(y), kernel_sum(x, y)};
    return squared_mmd(sums, x.size(0), y.size(0));
  };
  const at::Tensor values = at::tensor(dealt(comm, options.subsets, rows_of, distance_of), at::kDouble);
  return {values.mean().item<double>(), values.std(/*unbiased=*/false).item<double>()};
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
  const MeanStd subsets = kid_by_subsets(in.context.comm, own, real, used);
  Json kid{{"unbiased", kid_unbiased(in.context.comm, own, real, in.prepared_as<double>())},
           {"subsets_mean", subsets.mean},
           {"subsets_std", without_rounding(subsets.std, subsets.mean)},
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
