/*
 * Stands in for CUDA, cuBLAS, HIP and rocBLAS in tests of gpu-vendor-product.py: one library under all
 * their names, which multiplies on the CPU and whose clock ticks once a product. STUB says what is to
 * go wrong. Built without headers, so that a compiler alone will do.
 */
typedef unsigned long size_t;
typedef signed char int8;

void *malloc(size_t);
void free(void *);
void *memcpy(void *, const void *, size_t);
char *strcpy(char *, const char *);
char *strstr(const char *, const char *);
char *getenv(const char *);

/* Milliseconds of the clock so far. */
static double now;

static int fails(const char *what) {
  const char *stub = getenv("STUB");
  return stub && strstr(stub, what) != 0;
}

/* out = aT b; all n×n, column by column. */
static int multiply(const int8 *a, const int8 *b, int *out, int n, double ms) {
  now += ms;
  for (int column = 0; column < n; column++) {
    for (int row = 0; row < n; row++) {
      int sum = 0;
      for (int k = 0; k < n; k++) sum += a[row * n + k] * b[column * n + k];
      out[column * n + row] = sum + fails("wrong");
    }
  }
  return 0;
}

static int name_of(char *name) {
  strcpy(name, "Stub GPU 9000");
  return 0;
}
static int count_of(int *count) {
  *count = fails("no-device") ? 0 : 1;
  return 0;
}
static int allocate(void **address, size_t size) {
  if (fails("memory") && size > 100000) return 2;
  *address = malloc(size);
  return 0;
}
static int create_event(void **event) {
  *event = malloc(sizeof(double));
  return 0;
}
static int record(double *event) {
  *event = now;
  return 0;
}
static int release(void *address) {
  free(address);
  return 0;
}
static int elapsed(float *ms, const double *start, const double *end) {
  *ms = (float)(*end - *start);
  return 0;
}

int cuInit(unsigned flags) { return fails("no-driver") ? 100 : 0; }
int cuDeviceGetCount(int *count) { return count_of(count); }
int cuDeviceGetName(char *name, int size, int device) { return name_of(name); }
int cuDevicePrimaryCtxRetain(void **context, int device) { return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuMemAlloc_v2(void **address, size_t size) { return allocate(address, size); }
int cuMemFree_v2(void *address) { return release(address); }
int cuMemcpyHtoD_v2(void *to, const void *from, size_t size) { return memcpy(to, from, size) == 0; }
int cuMemcpyDtoH_v2(void *to, const void *from, size_t size) { return memcpy(to, from, size) == 0; }
int cuEventCreate(void **event, unsigned flags) { return create_event(event); }
int cuEventRecord(double *event, void *stream) { return record(event); }
int cuEventSynchronize(void *event) { return 0; }
int cuEventElapsedTime(float *ms, double *start, double *end) { return elapsed(ms, start, end); }
int cuEventDestroy_v2(void *event) { return release(event); }

int cublasCreate_v2(void **handle) { return fails("create") ? 1 : 0; }
int cublasGetVersion_v2(void *handle, int *version) {
  *version = 130002;
  return 0;
}
int cublasGemmEx(void *handle, int ta, int tb, int m, int n, int k, const int *alpha, const int8 *a,
                 int ta8, int lda, const int8 *b, int tb8, int ldb, const int *beta, int *out,
                 int t32, int ldc, int compute, int algorithm) {
  if (fails("gemm")) return 15;
  if (ta != 1 || tb != 0 || m != n || n != k || *alpha != 1 || *beta != 0 || ta8 != 3 || tb8 != 3 ||
      t32 != 10 || lda != n || ldb != n || ldc != n || compute != 72 || algorithm != -1)
    return 7;
  return multiply(a, b, out, n, 2.0);
}

/* Two algorithms, of which the second takes half of what cublasGemmEx does. */
struct layout {
  int type;
  unsigned long rows, columns;
  long leading;
};
struct result {
  unsigned long long algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
int cublasLtCreate(void **handle) { return fails("lt") ? 1 : 0; }
int cublasLtMatmulDescCreate(int **task, int compute, int scale) {
  *task = malloc(sizeof(int));
  return compute != 72 || scale != 10;
}
int cublasLtMatmulDescSetAttribute(int *task, int attribute, const int *value, size_t size) {
  *task = *value;
  return attribute != 3 || size != 4;
}
int cublasLtMatrixLayoutCreate(struct layout **layout, int type, unsigned long rows,
                               unsigned long columns, long leading) {
  *layout = malloc(sizeof(struct layout));
  **layout = (struct layout){type, rows, columns, leading};
  return 0;
}
int cublasLtMatmulPreferenceCreate(void **preference) { return 0; }
int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const unsigned long *value,
                                         size_t size) {
  return attribute != 1 || size != 8;
}
int cublasLtMatmulAlgoGetHeuristic(void *handle, int *task, void *a, void *b, void *c, void *d,
                                   void *preference, int most, struct result *found, int *count) {
  for (int i = 0; i < 3; i++) {
    found[i].algorithm[0] = 100 + i;
    found[i].state = i == 2;
  }
  *count = 3;
  return most < 3;
}
int cublasLtMatmul(void *handle, int *task, const int *alpha, const int8 *a, struct layout *la,
                   const int8 *b, struct layout *lb, const int *beta, int *c, struct layout *lc,
                   int *out, struct layout *lo, const unsigned long long *algorithm, void *workspace,
                   size_t size, void *stream) {
  if (*task != 1 || *alpha != 1 || *beta != 0 || la->type != 3 || lb->type != 3 || lo->type != 10 ||
      c != out || size != 64 * 1048576 || workspace == 0)
    return 7;
  return multiply(a, b, out, (int)lo->rows, algorithm[0] == 101 ? 1.0 : 4.0);
}

int hipGetDeviceCount(int *count) { return fails("no-driver") ? 100 : count_of(count); }
int hipDeviceGetName(char *name, int size, int device) { return name_of(name); }
int hipSetDevice(int device) { return 0; }
int hipMalloc(void **address, size_t size) { return allocate(address, size); }
int hipFree(void *address) { return release(address); }
int hipMemcpy(void *to, const void *from, size_t size, int kind) {
  return memcpy(to, from, size) == 0 || (kind != 1 && kind != 2);
}
int hipEventCreateWithFlags(void **event, unsigned flags) { return create_event(event); }
int hipEventRecord(double *event, void *stream) { return record(event); }
int hipEventSynchronize(void *event) { return 0; }
int hipEventElapsedTime(float *ms, double *start, double *end) { return elapsed(ms, start, end); }
int hipEventDestroy(void *event) { return release(event); }

int rocblas_create_handle(void **handle) { return 0; }
int rocblas_get_version_string(char *version, size_t size) {
  strcpy(version, "5.1");
  return 0;
}
int rocblas_gemm_ex(void *handle, int ta, int tb, int m, int n, int k, const int *alpha, const int8 *a,
                    int ta8, int lda, const int8 *b, int tb8, int ldb, const int *beta, const int *c,
                    int tc, int ldc, int *out, int td, int ldd, int compute, int algorithm,
                    int solution, unsigned flags) {
  if (ta != 112 || tb != 111 || m != n || n != k || *alpha != 1 || *beta != 0 || ta8 != 160 ||
      tb8 != 160 || tc != 162 || td != 162 || ldd != n || compute != 162 || c != out || flags != 0)
    return 7;
  return multiply(a, b, out, n, 8.0);
}
