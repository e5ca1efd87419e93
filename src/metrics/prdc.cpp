#include "metrics/prdc.hpp"

#include <ATen/ATen.h>

#include <limits>

#include "base/error.hpp"

namespace ddls {

at::Tensor distances(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor a = x.to(at::kCPU, at::kDouble), b = y.to(at::kCPU, at::kDouble);
  const at::Tensor norms = a.square().sum(1, true) + b.square().sum(1).unsqueeze(0);
  at::Tensor squares = at::addmm(norms, a, b.t(), 1, -2);
  // Between (nearly) equal rows the difference of large numbers leaves noise: those are computed directly.
  const at::Tensor close = (squares < norms * 1e-9).nonzero();
  if (close.size(0) > 0) {
    const at::Tensor i = close.select(1, 0), j = close.select(1, 1);
    for (int64_t from = 0; from < close.size(0); from += 1024) {
      const int64_t count = std::min<int64_t>(1024, close.size(0) - from);
      const at::Tensor rows = i.narrow(0, from, count), columns = j.narrow(0, from, count);
      squares.index_put_({rows, columns}, (a.index_select(0, rows) - b.index_select(0, columns)).square().sum(1));
    }
  }
  return squares.sqrt_().to(at::kFloat);
}

NearestNeighbours::NearestNeighbours(int64_t count, int64_t k)
    : k_(k), nearest_(at::full({count, k}, std::numeric_limits<float>::infinity(), at::kFloat)) {}

void NearestNeighbours::add(int64_t row, const at::Tensor& block) {
  at::Tensor rows = nearest_.narrow(0, row, block.size(0));
  const at::Tensor candidates = at::cat({rows, block}, 1);
  rows.copy_(std::get<0>(candidates.topk(k_, 1, /*largest=*/false)));
}

void NearestNeighbours::merge(const at::Tensor& others) {
  const at::Tensor all = others.permute({1, 0, 2}).reshape({nearest_.size(0), -1});
  nearest_.copy_(std::get<0>(all.topk(k_, 1, /*largest=*/false)));
}

at::Tensor NearestNeighbours::radii() const { return nearest_.amax(1); }

PrdcCounts::PrdcCounts(at::Tensor real_radii, at::Tensor fake_radii)
    : real_radii_(std::move(real_radii)),
      fake_radii_(std::move(fake_radii)),
      counts_(at::zeros({fake_radii_.size(0) + 2 * real_radii_.size(0)}, at::kLong)) {}

void PrdcCounts::add(int64_t real, int64_t fake, const at::Tensor& block) {
  const int64_t m = block.size(0), n = block.size(1), fakes = fake_radii_.size(0), reals = real_radii_.size(0);
  const at::Tensor in_real_ball = block < real_radii_.narrow(0, real, m).unsqueeze(1);
  const at::Tensor in_fake_ball = block < fake_radii_.narrow(0, fake, n).unsqueeze(0);
  counts_.narrow(0, fake, n) += in_real_ball.sum(0);
  counts_.narrow(0, fakes + real, m) += in_real_ball.sum(1);
  counts_.narrow(0, fakes + reals + real, m) += in_fake_ball.sum(1);
}

Prdc PrdcCounts::result(int64_t k) const {
  const int64_t fakes = fake_radii_.size(0), reals = real_radii_.size(0);
  const auto share = [](const at::Tensor& counts) { return (counts > 0).to(at::kDouble).mean().item<double>(); };
  const at::Tensor of_fake = counts_.narrow(0, 0, fakes);
  return {share(of_fake), share(counts_.narrow(0, fakes + reals, reals)),
          of_fake.to(at::kDouble).mean().item<double>() / static_cast<double>(k),
          share(counts_.narrow(0, fakes, reals))};
}

}  // namespace ddls
