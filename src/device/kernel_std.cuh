// The standard library that kernels see, in place of every standard header that they include: NVRTC brings none, and
// the C++ headers of a machine (if it has any) are not made for it. Text for NVRTC, no header of this program.
#ifndef DDLS_KERNEL_STD
#define DDLS_KERNEL_STD

using int64_t = long long;
using uint32_t = unsigned int;
using uint64_t = unsigned long long;
static_assert(sizeof(int64_t) == 8 && sizeof(uint32_t) == 4);

namespace std {

template <typename T, unsigned N>
struct array {
  T items[N];
  constexpr T& operator[](unsigned i) { return items[i]; }
  constexpr const T& operator[](unsigned i) const { return items[i]; }
};

namespace numbers {
template <typename T>
inline constexpr T pi_v = T(3.141592653589793238462643383279502884);
}

inline float sqrt(float x) { return ::sqrtf(x); }
inline float log(float x) { return ::logf(x); }
inline float cos(float x) { return ::cosf(x); }
inline float sin(float x) { return ::sinf(x); }

}  // namespace std

#endif
