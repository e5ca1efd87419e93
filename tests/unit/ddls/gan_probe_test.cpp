// Generators and discriminators of every convention that is not ours, as TorchScript, and what they are told.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "ddls/scripted_gan.hpp"
#include "expect_says.hpp"
#include "scratch_folder.hpp"

namespace ddls::sampling::gan_probe_test {
namespace {

const std::string generator = "def forward(self, z):\n    x = torch.tanh(z @ self.w).view(-1, 3, 4, 4)\n    ";
const std::string discriminator = "def forward(self, x):\n    s = x.flatten(1) @ self.v\n    ";

class GanProbe : public testing::Test {
 protected:
  void write(const char* name, const std::string& source, at::ScalarType type = at::kFloat) {
    at::manual_seed(3);
    torch::jit::Module module("network");
    module.register_buffer("w", at::randn({6, 48}).to(type));
    module.register_buffer("v", at::randn({48}).to(type));
    module.define(source + "\n");
    module.save((scratch.path() / name).string());
  }
  // "fine", or the message, which names `blamed`.
  std::string verdict(const char* blamed) {
    try {
      const ForeignGan gan = load_scripted_gan(scratch.path() / "G.pt", scratch.path() / "D.pt", model, at::kCPU);
      shape = gan.sample_shape;
      gan.target.evaluate(at::randn({2, model.latent_dim}),
                          model.classes > 0 ? at::zeros({2}, at::kLong) : at::Tensor());
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_EQ(error.code(), Exit::data) << text;
      EXPECT_NE(text.find(blamed), std::string::npos) << text;
      for (const char* sign : {"Traceback", "INTERNAL", "__torch__", "\n"})
        EXPECT_EQ(text.find(sign), std::string::npos) << text;
      return text;
    }
    return "fine";
  }
  std::string of_generator(const std::string& source, at::ScalarType type = at::kFloat) {
    write("G.pt", source, type);
    write("D.pt", model.classes > 0 ? "def forward(self, x, y):\n    return x.flatten(1) @ self.v"
                                    : discriminator + "return s");
    return verdict("G.pt: ");
  }
  std::string of_discriminator(const std::string& source, at::ScalarType type = at::kFloat) {
    write("G.pt", generator + "return x");
    write("D.pt", source, type);
    return verdict("D.pt: ");
  }
  void SetUp() override { model.latent_dim = 6; }

  config::ModelConfig model;
  std::vector<int64_t> shape;
  test::ScratchFolder scratch;
};

TEST_F(GanProbe, SoundFiles) {
  EXPECT_EQ(of_generator(generator + "return x"), "fine");
  EXPECT_EQ(shape, (std::vector<int64_t>{3, 4, 4}));
  EXPECT_EQ(of_discriminator(discriminator + "return s.unsqueeze(1)"), "fine");
  EXPECT_EQ(of_discriminator(discriminator + "return s.squeeze()"), "fine");  // one sample: a number
  EXPECT_EQ(of_discriminator(discriminator + "return s * 0 + 3"), "fine");    // told of, not refused
  EXPECT_EQ(of_discriminator(discriminator + "return 0.01 * s"), "fine");
  EXPECT_EQ(of_generator("def forward(self, z):\n    return 50 * z @ self.w"), "fine");  // points are of any size
}

TEST_F(GanProbe, RangeOfImages) {
  EXPECT_SAYS(of_generator(generator + "return x * 0.5 + 0.5"), "x * 2 - 1");
  EXPECT_SAYS(of_generator(generator + "return (x + 1) * 127.5"), "x / 127.5 - 1");
  EXPECT_SAYS(of_generator(generator + "return x * 2.5"), "values from -2.5 to 2.5");
  EXPECT_SAYS(of_generator(generator + "return x * 1.2"), "clamp(-1, 1)");
  EXPECT_EQ(of_generator(generator + "return x * 1.005"), "fine");
  EXPECT_EQ(of_generator(generator + "return x * 0.3"), "fine");
  // All samples are bright, but the generator could make dark ones.
  EXPECT_EQ(of_generator("def forward(self, z):\n    return torch.tanh(z @ self.w * 0.02 + 0.5).view(-1, 3, 4, 4)"),
            "fine");
}

TEST_F(GanProbe, ShapeOfImages) {
  EXPECT_SAYS(of_generator(generator + "return x.permute(0, 2, 3, 1)"), "1 or 3 channels");
  EXPECT_SAYS(of_generator(generator + "return x.permute(0, 2, 3, 1)"), "x.permute(0, 3, 1, 2)");
  EXPECT_SAYS(of_generator(generator + "return torch.cat([x, x[:, :1]], 1)"), "4 channels");
  EXPECT_SAYS(of_generator(generator + "return x[:, 0]"), "x.unsqueeze(1)");
  EXPECT_SAYS(of_generator(generator + "return x.mean()"), "expected images");
  EXPECT_SAYS(of_generator(generator + "return x[:, :1].squeeze(1)"), "x.unsqueeze(1)");
}

TEST_F(GanProbe, TypesOfOutputsAndWeights) {
  EXPECT_SAYS(of_generator(generator + "return x, x"), "it returns Tuple[Tensor, Tensor]");
  EXPECT_SAYS(of_generator(generator + "return {'x': x}"), "it returns Dict[str, Tensor]");
  EXPECT_SAYS(of_generator(generator + "return ((x + 1) * 127.5).byte()"), "Byte");
  EXPECT_SAYS(of_generator(generator + "return x.double()"), "float64");
  EXPECT_SAYS(of_generator(generator + "return x.half()"), "float16");
  EXPECT_SAYS(of_generator(generator + "return x", at::kHalf), "v is float16");
  EXPECT_SAYS(of_generator(generator + "return x", at::kDouble), "v is float64");
  EXPECT_SAYS(of_generator(generator + "return x.round()"), "0 everywhere");
  EXPECT_SAYS(of_discriminator(discriminator + "return s.double()"), "float64");
  EXPECT_SAYS(of_discriminator(discriminator + "return (s > 0)"), "no gradient");
  EXPECT_SAYS(of_discriminator(discriminator + "return s, s"), "it returns Tuple");
}

TEST_F(GanProbe, CallsThatFailAreExplained) {
  EXPECT_SAYS(
      of_generator("def forward(self, z):\n    return torch.tanh(torch.conv_transpose2d(z, self.w.view(6, 3, 4, 4)))"),
      "z = z[:, :, None, None]");
  EXPECT_SAYS(
      of_generator("def forward(self, z, y):\n    return torch.tanh(z @ self.w + y.unsqueeze(1)).view(-1, 3, 4, 4)"),
      "give model.classes");
  EXPECT_SAYS(of_generator("def forward(self, z):\n    return (z @ self.w).tanh().view(8, 3, 4, 4)"),
              "works on 8 rows");
  EXPECT_SAYS(of_generator("def forward(self, z):\n    return torch.tanh(z @ torch.ones([6, 2], device='cuda:0'))"),
              "a device is written into the file");
  EXPECT_SAYS(of_generator("def forward(self, z):\n    assert z.size(1) == 7, 'seven'\n    return z"), "seven");
}

TEST_F(GanProbe, LatentDimensionIsFound) {
  model.latent_dim = 5;
  EXPECT_SAYS(of_generator(generator + "return x"), "set model.latent_dim=6");
  EXPECT_SAYS(
      of_generator("def forward(self, z):\n    return torch.tanh(torch.conv_transpose2d(z, self.w.view(6, 3, 4, 4)))"),
      "set model.latent_dim=6, and z is [n, d]");
}

TEST_F(GanProbe, LabelsThatDoNotFit) {
  model.classes = 4;
  EXPECT_SAYS(of_generator(generator + "return x"), "it takes no labels");
  const std::string per_class =
      "def forward(self, z, y):\n    x = torch.tanh(z @ self.w + self.v[:3].index_select(0, y).unsqueeze(1))\n"
      "    return x.view(-1, 3, 4, 4)";
  EXPECT_SAYS(of_generator(per_class), "model.classes is more than its 3 classes");
  EXPECT_SAYS(
      of_generator("def forward(self, z, y):\n    return torch.tanh(z @ self.w + y @ self.w[:4]).view(-1, 3, 4, 4)"),
      "one_hot(y, 4)");
  model.classes = 3;
  EXPECT_EQ(of_generator(per_class), "fine");
}

TEST_F(GanProbe, SamplesThatTheDiscriminatorDoesNotTake) {
  EXPECT_SAYS(of_discriminator("def forward(self, x):\n    return x @ self.v"), "x = x.flatten(1)");
  EXPECT_SAYS(of_discriminator("def forward(self, x):\n    assert x.size(3) == 3\n    return x.flatten(1) @ self.v"),
              "x = x.permute(0, 2, 3, 1)");
  EXPECT_SAYS(of_discriminator("def forward(self, x):\n    return x.view(-1, 3, 64, 64).flatten(1).sum(1)"),
              "64 x 64 pixels");
  EXPECT_SAYS(of_discriminator("def forward(self, x):\n    assert x.size(1) == 1\n    return x.flatten(1).sum(1)"),
              "one channel");
}

TEST_F(GanProbe, Scores) {
  EXPECT_SAYS(of_discriminator(discriminator + "return s.sigmoid()"), "look like probabilities");
  EXPECT_SAYS(of_discriminator(discriminator + "return s.view(-1, 1, 1, 1)"), "x.flatten()");
  EXPECT_SAYS(of_discriminator(discriminator + "return torch.stack([s, s], 1)"), "expected logits");
  EXPECT_SAYS(of_discriminator("def forward(self, x):\n    return x.mean(1, keepdim=True)"), "average the patches");
  EXPECT_SAYS(of_discriminator(discriminator + "return s.mean()"), "expected logits");
  EXPECT_SAYS(of_discriminator(discriminator + "return s * float('inf')"), "not finite");
  EXPECT_SAYS(of_discriminator(discriminator + "return s - s.mean()"), "depends on the others of its batch");
  EXPECT_SAYS(of_discriminator(discriminator + "return s + torch.rand_like(s)"), "each time");
  EXPECT_SAYS(of_discriminator(discriminator + "return s.detach()"), "cannot be differentiated");
}

TEST_F(GanProbe, TheBackwardPassIsRun) {
  EXPECT_SAYS(of_discriminator(discriminator + "h = torch.tanh(s)\n    k = h * h\n    h.mul_(2.0)\n    return k + h"),
              "its gradient cannot be computed");
  EXPECT_SAYS(of_discriminator(discriminator + "q = x[:, 0, 0, 0]\n    return s + torch.sqrt(torch.relu(q) * q)"),
              "is not finite for");
}

TEST_F(GanProbe, RareNumbers) {  // of 512 draws a few lie so far out
  EXPECT_SAYS(of_generator(generator + "return x + torch.log(2.4 - z[:, 0].clamp(0, 9)).mul(0).view(-1, 1, 1, 1)"),
              "not finite");
}

TEST_F(GanProbe, FilesThatAreNoTorchScript) {
  write("D.pt", discriminator + "return s");
  const auto refused = [&](const std::string& bytes) {
    write_file(scratch.path() / "G.pt", bytes);
    return verdict("G.pt: ");
  };
  EXPECT_SAYS(refused(""), "not a TorchScript file");
  EXPECT_SAYS(refused("hello"), "not a TorchScript file");
  EXPECT_SAYS(refused("\x80\x02}q"), "torch.save");
  write("G.pt", generator + "return x");
  const std::string whole = read_file(scratch.path() / "G.pt");
  EXPECT_SAYS(refused(whole.substr(0, whole.size() / 2)), "damaged");
  fs::remove(scratch.path() / "G.pt");
  fs::create_directory(scratch.path() / "G.pt");
  EXPECT_SAYS(verdict("G.pt: "), "a folder");
}

TEST_F(GanProbe, WhatFailsLaterIsBadData) {
  write("G.pt", generator + "return x");
  // On trial no logit is that large.
  write("D.pt", discriminator + "assert bool(s.max() < 1e4), 'too large'\n    return s");
  const ForeignGan gan = load_scripted_gan(scratch.path() / "G.pt", scratch.path() / "D.pt", model, at::kCPU);
  try {
    gan.target.score_by(at::full({1, 3, 4, 4}, 1e6) * at::ones({1, 3, 4, 4}), {});
    gan.target.score_by(at::full({1, 3, 4, 4}, -1e6), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::data);
    EXPECT_SAYS(std::string(error.what()), "D.pt: forward fails");
  }
}

}  // namespace
}  // namespace ddls::sampling::gan_probe_test
