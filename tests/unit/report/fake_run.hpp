#pragma once
// Small run directories with everything a real run may leave.
#include <ATen/ATen.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <string>

#include "base/files.hpp"
#include "tensor/npz.hpp"

namespace ddls::test {

class FakeRun {
 public:
  explicit FakeRun(bool points, const std::string& name = "fake") : points_(points) {
    folder = fs::path(::testing::TempDir()) /
             fmt::format("ddls_report_{}", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder);
    at::manual_seed(1);
    write_samples();
    write_texts(name);
  }
  ~FakeRun() { fs::remove_all(folder); }
  FakeRun(const FakeRun&) = delete;
  FakeRun& operator=(const FakeRun&) = delete;

  fs::path folder;

 private:
  at::Tensor samples(std::vector<int64_t> leading) const {
    if (points_) {
      leading.push_back(2);
      const at::Tensor cells = at::randint(-2, 3, leading).to(at::kFloat);
      return (cells * 2 + 0.05 * at::randn(leading)) / 2.828;
    }
    leading.insert(leading.end(), leading.size() == 1 ? std::initializer_list<int64_t>{8, 8, 1}
                                                      : std::initializer_list<int64_t>{1, 8, 8});
    return at::randint(0, 256, leading).to(at::kByte);
  }

  void write_samples() const {
    const fs::path root = folder / "samples";
    for (const char* method : {"generator", "ddls", "mala"}) make_folder(root / method / "snapshots");
    tensor::write_npz(root / "real.npz", {{"arr_0", samples({120})}});
    for (const char* method : {"generator", "ddls", "mala"}) {
      tensor::write_npz(root / method / "samples.npz", {{"arr_0", samples({120})}});
      if (std::string(method) == "generator") continue;
      tensor::write_npz(root / method / "trajectories.npz", {{"latents", at::randn({4, 3, 2})},
                                                             {"samples", samples({4, 3})},
                                                             {"steps", at::arange(0, 40, 10, at::kLong)}});
      for (const char* step : {"000000", "000010", "000030"}) {
        tensor::write_npz(root / method / "snapshots" / fmt::format("step-{}.npz", step), {{"arr_0", samples({20})}});
      }
      std::string lines;
      for (int step = 0; step <= 30; step += 10) {
        lines += fmt::format(
            "{{\"step\": {}, \"step_size\": 0.01, \"energy\": {}, \"grad_norm\": null, \"nonfinite\": 0}}\n", step,
            3.0 / (step + 1));
      }
      write_file(root / method / "chains.jsonl", lines);
    }
    if (!points_) {
      tensor::write_npz(root / "ddls" / "neighbours.npz", {{"samples", samples({2, 1}).select(1, 0).contiguous()},
                                                           {"pixel_images", samples({2, 5})},
                                                           {"feature_images", samples({2, 5})}});
      return;
    }
    make_folder(root / "sweep");
    for (const double size : {0.1, 0.01}) {
      tensor::write_npz(root / "sweep" / fmt::format("s{}.npz", size),
                        {{"latents", at::randn({4, 3, 2})},
                         {"samples", samples({4, 3})},
                         {"step_size", at::full({1}, size, at::kDouble)}});
    }
  }

  void write_texts(const std::string& name) const {
    const std::string good =
        points_ ? R"({"modes_recovered": 25, "high_quality_fraction": 0.98125, "high_quality_std": 0.0512,
      "frechet_distance": null, "why": "points have no features"})"
                : R"({"frechet_distance": 9.8766, "inception_score": {"mean": 8.125, "std": 0.25},
      "kid": null, "kid_why": "fewer than 1000 images"})";
    const std::string before = points_ ? R"({"high_quality_fraction": 0.7125})" : R"({"frechet_distance": 17.25})";
    write_file(folder / "report.json",
               fmt::format(R"({{"schema": 1, "name": "{}", "seed": 7, "ranks": 2, "device": "cpu",
      "seconds": {{"train": 12.5, "sample": 130}}, "reference": {{"name": "test", "count": 120, "metrics": {}}},
      "calibration": {{"method": "platt", "alpha": 1.625, "beta": -0.5, "reals": {{"fitted_on": 61, "reported_on": 59}},
        "before": {{"cross_entropy": 1.1875, "z": 22.5}}, "after": {{"cross_entropy": 0.4375, "z": 0.75}}}},
      "methods": {{"generator": {{"count": 120, "metrics": {}}},
        "ddls": {{"count": 120, "steps": 30, "seconds": 1.5, "metrics": {}, "curve": [
           {{"step": 0, "frechet_distance": 17.25}}, {{"step": 30, "frechet_distance": 9.8766}}]}},
        "mala": {{"count": 120, "exact": true, "steps": 30, "acceptance": 0.5735, "divergent": 0.0625, "jump2": 1.375, "rhat": 1.25,
          "ess_per_chain": 3.5, "tail_ess_per_chain": 2.25, "ess_per_second": 417.5, "ess_per_evaluation": 0.03125,
          "evaluations_per_step": {{"gradients": 4, "ratios": 9}}, "metrics": {}}}}}}})",
                           name, good, before, good, good));
    write_file(folder / "config.yaml",
               points_ ? "name: fake\ndata:\n  kind: gaussians25 # <25>\n" : "data: {kind: idx}\n");
    write_file(folder / "run.json", R"({"version": "9.8.7", "git_commit": "abc123", "hosts": ["a", "b"]})");
    std::string lines;
    for (int step = 0; step < 1200; ++step) {
      lines += fmt::format("{{\"phase\": \"gan\", \"step\": {}, \"loss_d\": {}, \"loss_g\": 0.7}}\n", step,
                           1.0 / (step + 1));
    }
    write_file(folder / "metrics.jsonl",
               lines + "{\"phase\": \"ratio\", \"step\": 1, \"loss\": 0.5}\n{\"phase\": \"gan\", \"st");
  }

  bool points_;
};

}  // namespace ddls::test
