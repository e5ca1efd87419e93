#include "metrics/frechet_metrics.hpp"

#include <ATen/ATen.h>

#include <cstring>

#include "base/error.hpp"
#include "dist/failure.hpp"

namespace ddls::metrics {

std::optional<GaussianFactor> factor_on_root(dist::Communicator& comm, const GaussianStatistics& statistics,
                                             const std::string& what) {
  std::optional<GaussianFactor> result;
  comm.on_root([&] { result = factor(statistics, what); });
  return result;
}

GaussianFactor on_every_rank(dist::Communicator& comm, const std::optional<GaussianFactor>& of_root) {
  if (comm.ranks() == 1) return *of_root;
  at::Tensor head = at::zeros({5}, at::kDouble);
  if (comm.root()) {
    const at::Tensor& root = of_root->root;
    head.copy_(at::tensor({static_cast<double>(root.size(0)), static_cast<double>(root.size(1)),
                           root.is_contiguous() ? 1.0 : 0.0, of_root->trace, of_root->left_out},
                          at::kDouble));
  }
  comm.broadcast(head);
  const auto* const value = head.const_data_ptr<double>();
  const auto features = static_cast<int64_t>(value[0]), rank = static_cast<int64_t>(value[1]);
  const bool by_rows = value[2] != 0;  // else by columns, as eigenvectors come: products round by the layout
  at::Tensor mean = comm.root() ? of_root->mean.contiguous() : at::empty({features}, at::kDouble);
  at::Tensor root = by_rows ? at::empty({features, rank}, at::kDouble) : at::empty({rank, features}, at::kDouble);
  if (comm.root()) root = (by_rows ? of_root->root : of_root->root.t()).contiguous();
  comm.broadcast(mean);
  comm.broadcast(root);
  if (comm.root()) return *of_root;
  return {mean, value[3], by_rows ? root : root.t(), value[4]};
}

double distance_to(const GaussianFactor& reference, const GaussianStatistics& own, const std::string& what) {
  if (own.mean.sizes() != reference.mean.sizes())
    fail(Exit::data, "{} has {} features, the reference has {}: statistics of different extractors", what,
         own.mean.numel(), reference.mean.numel());
  return frechet_distance(factor(own, what), reference);
}

double distance_on_root(dist::Communicator& comm, const GaussianStatistics& own, const std::string& what,
                        const std::optional<GaussianFactor>& reference) {
  const std::string bytes = comm.on_root([&] {
    const double distance = distance_to(*reference, own, what);
    return std::string(reinterpret_cast<const char*>(&distance), sizeof distance);
  });
  double distance = 0;
  std::memcpy(&distance, bytes.data(), sizeof distance);
  return distance;
}

GaussianStatistics statistics_where(dist::Communicator& comm, const FeatureBlocks& rows, const at::Tensor& mask,
                                    const std::string& what) {
  Moments moments(rows.features);
  comm.together([&] {
    for (const int64_t block : rows.own_blocks()) {
      const IdRange ids = rows.ids_of(block);
      const at::Tensor chosen = mask.narrow(0, ids.begin, ids.size()).nonzero().squeeze(1);
      moments.add(rows.own_rows(block).index_select(0, chosen));
    }
  });
  // The centre of the first rank that has rows; ranks without any have zeros.
  at::Tensor centres = at::zeros({comm.ranks(), rows.features + 1}, at::kDouble);
  if (moments.sums()[0].item<double>() > 0) {
    centres[comm.rank()][0] = 1;
    centres[comm.rank()].narrow(0, 1, rows.features).copy_(moments.centre());
  }
  comm.all_reduce(centres);
  moments.recentre(centres[centres.select(1, 0).argmax().item<int64_t>()].narrow(0, 1, rows.features));
  comm.all_reduce(moments.sums());
  return comm.together([&] { return moments.statistics(what); });
}

}  // namespace ddls::metrics
