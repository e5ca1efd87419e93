#include "config/load.hpp"

#include <gtest/gtest.h>

#include "unit/config/walk_options.hpp"

namespace ddls::config::check_test {
namespace {

using test::WalkOptions;
using test::with_samplers;

std::string conflicts_of(const Config& config) {
  std::string out;
  for (const Conflict& c : check(config)) out += c.keys[0] + ": " + c.message + "\n";
  return out;
}

TEST(Check, Defaults) { EXPECT_EQ(conflicts_of(Config{}), ""); }

TEST(Check, Names) {
  Config config;
  for (const char* good : {"a", "cifar10-sn.v2_b", "25gaussians"}) {
    config.name = good;
    EXPECT_EQ(conflicts_of(config), "") << good;
  }
  for (const std::string& bad : {std::string(), std::string("a/b"), std::string(".."), std::string("-x"),
                                 std::string("a b"), std::string("é"), std::string(101, 'x')}) {
    config.name = bad;
    EXPECT_EQ(conflicts_of(config),
              "name: expected a folder name: up to 100 letters, digits, '.', '_', '-', first a letter or digit\n")
        << bad;
  }
}

TEST(Check, Data) {
  Config config;
  config.data.kind = "idx";
  config.data.train = "/x";
  config.data.train_labels = "/l";
  config.evaluate.reference = "train";
  config.model.architecture = "dcgan";
  EXPECT_EQ(conflicts_of(config), "");
  config.data.kind = "npz";
  config.data.channels = 2;
  EXPECT_EQ(
      conflicts_of(config),
      "data.train_labels: only for data.kind idx and npy, but it is npz\ndata.channels: expected 0, 1 or 3, got 2\n");
  config = Config{};
  config.data.train = "/x";
  config.evaluate.reference = "train";
  config.data.kind = "idx";
  config.data.on_demand = true;
  config.data.crop = "random";
  EXPECT_EQ(conflicts_of(config),
            "data.on_demand: only for data.kind images and tar, but it is idx\n"
            "data.crop: crops are made to data.image_size, which is not given\n");
  config.data.on_demand = false;
  config.data.image_size = 32;
  EXPECT_EQ(conflicts_of(config),
            "data.crop: random crops need images decoded on demand: data.kind tar, or images with data.on_demand\n");
  config.data.kind = "tar";
  config.data.flip = config.data.dequantise = true;
  EXPECT_EQ(conflicts_of(config), "");
  config = Config{};
  config.data.flip = config.data.dequantise = true;
  EXPECT_EQ(conflicts_of(config), "data.flip: points cannot be mirrored\ndata.dequantise: points are not quantised\n");
  config = Config{};
  config.model.architecture = "dcgan";
  EXPECT_EQ(conflicts_of(config),
            "model.architecture: dcgan makes images, but data.kind gaussians25 are points; use mlp\n");
}

TEST(Check, Precision) {
  Config config;
  config.sample.precision = "bfloat16";
  EXPECT_EQ(conflicts_of(config),
            "sample.precision: a bfloat16 gradient of a perceptron on points is off by a tenth; take float32\n");
  config.data.kind = "cifar10";
  config.data.train = config.data.test = "/x";
  config.model.architecture = "sn_resnet";
  EXPECT_EQ(conflicts_of(config), "");
  config.model.upsampling = "bilinear";
  config.train.ratio.output_noise = 0.1;
  config.train.ratio.steps = 100;
  EXPECT_EQ(conflicts_of(config),
            "sample.precision: bilinear upsampling has no inference graph; take float32\n"
            "sample.precision: chains with output noise run in float32\n");
}

TEST(Check, Train) {
  Config config;
  config.train.batch = 250;
  EXPECT_EQ(conflicts_of(config), "");  // auto finds a number that divides
  config.train.shards = 0;              // one per rank: nothing has to divide
  EXPECT_EQ(conflicts_of(config), "");
  config.train.shards = 4;
  config.train.ratio.batch = 510;
  config.train.ratio.refine.steps = 1;
  config.train.ratio.refine.chains = 65;
  config.train.classifier.batch = 1;
  EXPECT_EQ(conflicts_of(config),
            "train.batch: 250 is not a multiple of train.shards (4)\n"
            "train.ratio.batch: 510 is not a multiple of train.shards (4)\n"
            "train.classifier.batch: 1 is not a multiple of train.shards (4)\n"
            "train.ratio.refine.steps: refines a fitted ratio; train.ratio.steps is 0\n"
            "train.ratio.refine.chains: 65 is not a multiple of train.ratio.refine.batch (64)\n");
}

TEST(Check, ModelAndSample) {
  Config config = with_samplers();
  config.model.ratio_widths.clear();
  config.sample.methods = {"ddls", "mala", "ddls"};
  config.sample.options_of("mala").as<WalkOptions>().step_size_end = 0.02;
  EXPECT_EQ(conflicts_of(config),
            "model.ratio_widths: expected at least one width\n"
            "sample.methods: 'ddls' is given twice\n"
            "sample.mala.step_size_end: step sizes only fall\n");
  config = with_samplers();
  config.sample.methods.clear();
  EXPECT_EQ(conflicts_of(config), "sample.methods: expected at least one method\n");
}

// Of the losses only the logistic ones leave a log-ratio; else one is fitted, or the score is calibrated.
TEST(Check, ScoresThatAreNoLogRatio) {
  Config config = with_samplers();
  config.train.loss = "hinge";
  EXPECT_EQ(conflicts_of(config),
            "train.ratio.steps: a hinge score is no log-ratio, and DDLS needs one; give train.ratio.steps to fit it, "
            "or train.calibration.method\n");
  for (const char* method : {"platt", "isotonic", "head", "scale"}) {
    config.train.calibration.method = method;
    EXPECT_EQ(conflicts_of(config), "") << method;
  }
  config.train.calibration.scale = 0.5;
  EXPECT_EQ(conflicts_of(config), "");
  config.train.calibration.method = "platt";
  EXPECT_EQ(conflicts_of(config), "train.calibration.scale: only for method scale, but it is platt\n");
}

}  // namespace
}  // namespace ddls::config::check_test
