// Each rule of the probe, on functions that break it and on functions that come as close as sound networks do.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/error.hpp"
#include "expect_says.hpp"
#include "tensor/network_probe.hpp"
#include "tensor/noise.hpp"

namespace ddls::tensor::network_probe_test {
namespace {

using Function = std::function<at::Tensor(const at::Tensor&)>;

at::Tensor rows(int64_t begin, int64_t n = 64) { return Noise{1}.normal({begin, begin + n}, 3, 0, Stream::prior); }

// "fine", or the message.
std::string verdict(const Function& f, const std::function<NamedTensors()>& tensors = {}) {
  const ForeignNetwork network{
      "f.pt", [&](const at::Tensor& x, const at::Tensor&) { return std::vector<at::Tensor>{f(x)}; }, tensors};
  const Probe probe{network, "row", {"values"}, [](const std::vector<at::Tensor>& out, int64_t n) {
                      if (out[0].dim() != 1 || out[0].size(0) != n) fail(Exit::data, "f.pt: wrong shape");
                    }};
  try {
    check_function(probe, {rows(0), {}}, rows(100));
    check_gradient(probe, {rows(0), {}});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::data) << error.what();
    EXPECT_EQ(std::string(error.what()).find("f.pt: "), 0u) << error.what();
    return error.what();
  }
  return "fine";
}

at::Tensor row_sum(const at::Tensor& x) { return x.square().sum(1); }

#define EXPECT_REFUSED(function, text) EXPECT_SAYS(verdict(function), text)
#define EXPECT_FINE(function) EXPECT_EQ(verdict(function), "fine")

TEST(NetworkProbe, ASoundFunction) {
  EXPECT_FINE([](const at::Tensor& x) { return row_sum(x); });
}

TEST(NetworkProbe, TheInputIsLeftAlone) {
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(at::Tensor(x).mul_(2)); }, "changes its input in place");
  EXPECT_FINE([](const at::Tensor& x) { return row_sum(x.clone().mul_(2)); });
}

TEST(NetworkProbe, ChangesInPlaceThatOnlyAutogradNotices) {
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(at::Tensor(x).mul_(1)); }, "changes its input in place");
  EXPECT_REFUSED(
      [](const at::Tensor& x) {
        at::Tensor h = row_sum(x).tanh();
        const at::Tensor k = h * h;
        h.mul_(2);
        return k + h;
      },
      "its gradient cannot be computed");
}

TEST(NetworkProbe, TheSameRowsGiveTheSameAgain) {
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(at::dropout(x, 0.5, true)); }, "each time");
  const auto noisy = [](double size) {
    return [size](const at::Tensor& x) {
      const at::Tensor y = row_sum(x);
      return y + size * at::randn_like(y);
    };
  };
  EXPECT_REFUSED(noisy(1e-2), "each time");
  EXPECT_FINE(noisy(1e-6));  // atomic additions of a GPU
}

TEST(NetworkProbe, CompanyDoesNotMatter) {
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum((x - x.mean(0)) / x.std(0)); },
              "depends on the others of its batch");
  EXPECT_REFUSED(  // minibatch standard deviation in groups of four
      [](const at::Tensor& x) {
        if (x.size(0) % 4 != 0) return row_sum(x);
        const at::Tensor spread = x.view({4, -1, 3}).std(0).mean(1);
        return row_sum(x) + 0.05 * spread.repeat({4});
      },
      "depends on the others of its batch");
  const auto coupled = [](double size) { return [size](const at::Tensor& x) { return row_sum(x) + size * x.mean(); }; };
  EXPECT_REFUSED(coupled(1), "depends on the others of its batch");
  EXPECT_FINE(coupled(1e-5));
}

TEST(NetworkProbe, BatchSizeDoesNotMatter) {
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(x) * static_cast<double>(x.size(0)); }, "how many rows");
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(x.view({64, 3})); }, "works on 64 rows at once and not on 1");
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(x.view({8, 3})); }, "works on 8 rows at once and not on 64");
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(x).squeeze(); }, "not on 1");
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(x) + at::arange(x.size(0), x.options()); }, "how many rows");
  // Another kernel for another batch: rounding of TF32 or bfloat16 inside.
  EXPECT_FINE([](const at::Tensor& x) { return row_sum(x) * (x.size(0) == 64 ? 1.0 : 1.004); });
}

TEST(NetworkProbe, ValuesAndGradientsAreFinite) {
  EXPECT_REFUSED([](const at::Tensor& x) { return x.select(1, 0).log(); }, "some values are not finite numbers");
  const auto root = [](double under) {
    return [under](const at::Tensor& x) {
      const at::Tensor q = x.select(1, 0);
      return at::sqrt(at::relu(q) * q + under);
    };
  };
  EXPECT_REFUSED(root(0), "is not finite for");
  EXPECT_FINE(root(1e-6));
}

TEST(NetworkProbe, ThereIsAGradient) {
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(x.detach()); }, "cannot be differentiated");
  EXPECT_REFUSED([](const at::Tensor& x) { return at::argmax(x, 1); }, "cannot be differentiated");
  EXPECT_REFUSED([](const at::Tensor& x) { return row_sum(x).round(); }, "0 everywhere");
  EXPECT_FINE([](const at::Tensor& x) { return row_sum(x) * 0; });  // a constant
  const at::Tensor weight = at::ones({64}).requires_grad_(true);
  EXPECT_REFUSED([&](const at::Tensor& x) { return weight.narrow(0, 0, x.size(0)) * 2; }, "does not depend on the rows");
}

TEST(NetworkProbe, AStateThatMovesIsNamed) {
  auto calls = at::zeros({1});
  const auto counts = [&](const at::Tensor& x) {
    at::NoGradGuard no_grad;
    calls.add_(1e-9);
    return row_sum(x);
  };
  EXPECT_NE(verdict(counts,
                    [&] {
                      return NamedTensors{{"norm.u", calls}};
                    })
                .find("changes its own norm.u"),
            std::string::npos);
  EXPECT_EQ(verdict(row_sum, [&] { return NamedTensors{{"norm.u", calls}}; }), "fine");
}

TEST(NetworkProbe, FailuresAreExplained) {
  const auto raises = [](const char* text) {
    return [text](const at::Tensor& x) -> at::Tensor {
      if (x.defined()) throw std::runtime_error(text);
      return x;
    };
  };
  EXPECT_REFUSED(raises("Found no NVIDIA driver on your system"), "a device is written into the file");
  const std::string trace =
      "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript, serialized code (most "
      "recent call last):\n  File \"code/__torch__.py\", line 5, in forward\n    x = 1\n\nRuntimeError: sizes "
      "differ\nand more\n";
  EXPECT_EQ(verdict(raises(trace.c_str())), "f.pt: forward fails on an input [64, 3]: sizes differ");
  EXPECT_EQ(verdict(raises(
                "isTuple() INTERNAL ASSERT FAILED at \"ivalue.h\":7, please report a bug to PyTorch. not a tuple")),
            "f.pt: forward fails on an input [64, 3]: not a tuple");
  const at::Tensor half = at::ones({3, 1}, at::kHalf);
  const auto multiplies = [&](const at::Tensor& x) { return at::matmul(x, half).squeeze(1); };
  EXPECT_NE(verdict(multiplies,
                    [&] {
                      return NamedTensors{{"fc.weight", half}};
                    })
                .find("fc.weight is float16"),
            std::string::npos);
}

TEST(NetworkProbe, MemoryIsNoFaultOfTheFile) {
  const ForeignNetwork network{"f.pt", [](const at::Tensor&, const at::Tensor&) -> std::vector<at::Tensor> {
                                 throw std::runtime_error("RuntimeError: CUDA out of memory. Tried to allocate 2 GiB");
                               }};
  try {
    network(rows(0));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::runtime);
  }
}

}  // namespace
}  // namespace ddls::tensor::network_probe_test
